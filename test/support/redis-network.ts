/**
 * A network between Redis nodes that a test can partition: everybody reaches a node at a port of this process, which
 * passes the bytes on. A cut holds them back as a partition does: nothing is lost, nothing is reported, connections
 * that begin are never answered, and what was under way arrives after the healing.
 *
 * Who is at the other end of a connection is found out by its process, so that one worker among many can be cut off;
 * that needs Linux.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** Somebody on the network: a node, a Sentinel, a worker. */
export interface Party {
  readonly pid: number
}

export interface Cut {
  heal(): void
}

/** Where everybody reaches a node. */
export interface NetworkPort {
  readonly port: number
  /** The port at which it really listens. */
  leadTo(port: number): void
}

export interface RedisNetwork {
  /** Opens a port for the party; `link` names what it is for, so that it can be cut apart from others. */
  open(party: Party, link: 'data' | 'bus'): Promise<NetworkPort>
  /** Nothing passes between the two sides; without a second one, between the first and everybody else. */
  cut(side: readonly Party[], other?: readonly Party[], link?: 'data' | 'bus'): Cut
  stop(): Promise<void>
}

interface ActiveCut {
  readonly side: readonly Party[]
  readonly other: readonly Party[] | undefined
  readonly link: 'data' | 'bus' | undefined
}

interface Connection {
  readonly party: Party
  readonly link: 'data' | 'bus'
  readonly client: Socket
  /** Null until something may pass for the first time. */
  server: Socket | null
  readonly inode: string | null
  readonly target: number
}

export function createRedisNetwork(): RedisNetwork {
  const listeners: Server[] = []
  const connections = new Set<Connection>()
  const cuts = new Set<ActiveCut>()

  function isBlocked(connection: Connection): boolean {
    return [...cuts].some((cut) => crosses(cut, connection))
  }

  function crosses({ side, other, link }: ActiveCut, connection: Connection): boolean {
    if (link !== undefined && link !== connection.link) return false
    const { party, inode } = connection
    const from = (parties: readonly Party[]) => parties.some(({ pid }) => ownsSocket(pid, inode))
    if (side.includes(party)) return other ? from(other) : !from(side)
    if (other && !other.includes(party)) return false
    return from(side)
  }

  function letFlow(connection: Connection): void {
    const blocked = isBlocked(connection)
    const { client } = connection
    if (blocked) {
      client.pause()
      connection.server?.pause()
      return
    }
    connection.server ??= join(connection)
    client.resume()
    connection.server.resume()
  }

  function join(connection: Connection): Socket {
    const { client, target } = connection
    const server = connect({ host: '127.0.0.1', port: target, noDelay: true })
    pass(connection, client, server)
    pass(connection, server, client)
    return server
  }

  function pass(connection: Connection, from: Socket, to: Socket): void {
    from.on('data', (bytes) => {
      if (!to.write(bytes)) from.pause()
    })
    to.on('drain', () => {
      if (!isBlocked(connection)) from.resume()
    })
    from.on('error', () => {})
    from.on('close', () => {
      connections.delete(connection)
      to.destroy()
    })
  }

  return {
    async open(party, link) {
      let target = 0
      const listener = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
        const inode = peerInode(client)
        const connection: Connection = { party, link, client, server: null, inode, target }
        connections.add(connection)
        client.on('error', () => {})
        client.on('close', () => connections.delete(connection))
        letFlow(connection)
      })
      await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
      listeners.push(listener)
      return {
        port: (listener.address() as AddressInfo).port,
        leadTo: (port) => void (target = port),
      }
    },
    cut(side, other, link) {
      const cut: ActiveCut = { side, other, link }
      cuts.add(cut)
      connections.forEach(letFlow)
      return {
        heal() {
          cuts.delete(cut)
          connections.forEach(letFlow)
        },
      }
    },
    async stop() {
      const closed = listeners.map((listener) => new Promise((resolve) => listener.close(resolve)))
      for (const { client, server } of connections) {
        client.destroy()
        server?.destroy()
      }
      await Promise.all(closed)
    },
  }
}

/** The inode of the socket at the other end, which is on this host too; null where the system won't say. */
function peerInode(socket: Socket): string | null {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  const [from, to] = [`:${hex(socket.remotePort ?? 0)}`, `:${hex(socket.localPort ?? 0)}`]
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(file, 'latin1').split('\n')) {
      const [, local = '', remote = '', , , , , , , inode] = line.trim().split(/\s+/)
      if (local.endsWith(from) && remote.endsWith(to)) return inode ?? null
    }
  }
  return null
}

function ownsSocket(pid: number, inode: string | null): boolean {
  if (inode === null) return false
  try {
    return readdirSync(`/proc/${pid}/fd`).some(
      (fd) => linkOf(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`,
    )
  } catch {
    // The process has ended.
    return false
  }
}

function linkOf(file: string): string | null {
  try {
    return readlinkSync(file)
  } catch {
    return null
  }
}
