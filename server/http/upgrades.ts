/**
 * Requests that ask for another protocol. They go through the same handler as every request, so that they meet the same
 * guards; what wants to speak the other protocol takes the connection over, and everything else is answered over HTTP
 * and the connection closed.
 */
import { ServerResponse, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

interface Upgrade {
  readonly socket: Socket
  /** What the client has sent after the headers. */
  readonly head: Buffer
}

const waiting = new WeakMap<IncomingMessage, Upgrade>()

/** Hands upgrade requests to the handler; `left` is told of each connection that Node's parser has let go of. */
export function serveUpgrades(
  server: Server,
  handler: RequestListener,
  left: (socket: Socket) => void,
): void {
  server.on('upgrade', (req: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const socket = duplex as Socket
    left(socket)
    // And of its errors.
    socket.on('error', () => socket.destroy())
    const res = new ServerResponse(req)
    res.shouldKeepAlive = false
    res.assignSocket(socket)
    res.once('finish', () => socket.end())
    waiting.set(req, { socket, head })
    handler(req, res)
  })
}

/** Takes the connection out of HTTP; null when this was no upgrade, or the client has gone. */
export function takeUpgrade(req: IncomingMessage, res: ServerResponse): Upgrade | null {
  const upgrade = waiting.get(req)
  if (upgrade === undefined || upgrade.socket.destroyed) return null
  waiting.delete(req)
  res.detachSocket(upgrade.socket)
  return upgrade
}
