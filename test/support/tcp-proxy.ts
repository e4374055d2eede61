/**
 * A TCP proxy in front of Redis that can misbehave as networks do, separately for the connections that subscribe
 * (recognised by the SUBSCRIBE in their stream) and for those that carry commands.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

export type ConnectionKind = 'commands' | 'subscriber'

export interface TcpProxy {
  readonly port: number
  /** Whatever these connections send or are sent from now on disappears, and nobody is told. */
  swallow(kind: ConnectionKind): void
  /** What the server sends takes this much longer. */
  delayReplies(kind: ConnectionKind, ms: number): void
  /** Ends these connections; new ones are welcome. */
  cut(kind: ConnectionKind): void
  /**
   * Traffic passes again. A connection that lost bytes stays dead, as half-open ones do: a stream with a hole in it
   * is nothing that TCP would deliver.
   */
  heal(kind: ConnectionKind): void
  /** How many connections of this kind are open and have lost nothing. */
  alive(kind: ConnectionKind): number
  stop(): Promise<void>
}

interface Fault {
  swallow: boolean
  delayMs: number
}

interface Connection {
  readonly client: Socket
  readonly server: Socket
  kind: ConnectionKind
  lost: boolean
  /** The replies that are still on their way. */
  replies: Promise<void>
}

export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const faults: Record<ConnectionKind, Fault> = {
    commands: { swallow: false, delayMs: 0 },
    subscriber: { swallow: false, delayMs: 0 },
  }
  const connections = new Set<Connection>()

  const listener = createServer({ noDelay: true }, (client) => {
    const server = connect({ ...target, noDelay: true })
    const connection: Connection = {
      client,
      server,
      kind: 'commands',
      lost: false,
      replies: Promise.resolve(),
    }
    connections.add(connection)

    client.on('data', (bytes) => {
      if (/subscribe\r\n/i.test(bytes.toString('latin1'))) connection.kind = 'subscriber'
      pass(connection, bytes, server)
    })
    server.on('data', (bytes) => {
      const dueAt = performance.now() + faults[connection.kind].delayMs
      // One after the other, so that bytes keep their order when a delay begins or ends.
      connection.replies = connection.replies.then(async () => {
        const early = dueAt - performance.now()
        if (early > 0) await wait(early)
        pass(connection, bytes, client)
      })
    })
    for (const end of [client, server]) {
      end.on('error', () => {})
      end.on('close', () => close(connection))
    }
  })

  function pass(connection: Connection, bytes: Buffer, to: Socket): void {
    if (faults[connection.kind].swallow) connection.lost = true
    if (!connection.lost && !to.destroyed) to.write(bytes)
  }

  function close(connection: Connection): void {
    connections.delete(connection)
    connection.client.destroy()
    connection.server.destroy()
  }

  function of(kind: ConnectionKind): Connection[] {
    return [...connections].filter((connection) => connection.kind === kind)
  }

  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return {
    port: (listener.address() as AddressInfo).port,
    swallow: (kind) => void (faults[kind].swallow = true),
    delayReplies: (kind, ms) => void (faults[kind].delayMs = ms),
    cut: (kind) => of(kind).forEach(close),
    heal: (kind) => void (faults[kind] = { swallow: false, delayMs: 0 }),
    alive: (kind) => of(kind).filter(({ lost }) => !lost).length,
    async stop() {
      const closed = new Promise((resolve) => listener.close(resolve))
      connections.forEach(close)
      await closed
    },
  }
}
