/**
 * Requests that ask for another protocol. They go through the same handler as every request, so that they meet the same
 * guards; what wants to speak the other protocol takes the connection over, and everything else is answered over HTTP
 * and the connection closed. One with a body is refused: Node takes the body for the beginning of the other protocol, and
 * the handler would see a request without one.
 */
import { ServerResponse, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { problem } from '../../shared/app/problem.ts'
import { answerProblem } from './answer-problem.ts'

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
    if (hasBody(req)) return answerProblem(res, bodyAndUpgrade)
    waiting.set(req, { socket, head })
    handler(req, res)
  })
}

const bodyAndUpgrade = problem(
  'malformed-request',
  'a request with a body can not ask for another protocol: leave out the header Upgrade',
)

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** Takes the connection out of HTTP; null when this was no upgrade, or the client has gone. */
export function takeUpgrade(req: IncomingMessage, res: ServerResponse): Upgrade | null {
  const upgrade = waiting.get(req)
  if (upgrade === undefined || upgrade.socket.destroyed) return null
  waiting.delete(req)
  res.detachSocket(upgrade.socket)
  return upgrade
}
