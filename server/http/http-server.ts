/**
 * The HTTP server of a worker: its bounds, and what it says to those who do not speak HTTP. It stops without losing a
 * request (connections.ts).
 */
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Logger } from '../../shared/telemetry/log.ts'
import type { Deadline, Service } from '../../shared/kernel/lifecycle.ts'
import { addressKey } from '../../shared/limits/address.ts'
import { createSparingWarning } from '../../shared/telemetry/sparing-log.ts'
import { answerProblem } from './answer-problem.ts'
import { usualIdleGraceMs, watchConnections } from './connections.ts'
import { serveUpgrades } from './upgrades.ts'
import { createFairTurns, type usualTurns } from './fair-turns.ts'
import { clientAddress } from './forwarded.ts'
import { Problem, problem, problemBody, problemContentType } from '../../shared/app/problem.ts'

export interface HttpServer extends Service {
  /** The port that it listens on, once started. */
  readonly port: number
}

export interface HttpServerOptions {
  readonly handler: RequestListener
  readonly host: string
  readonly port: number
  readonly log: Logger
  /** It broke while running, and will not answer any more. */
  readonly onFatal: (cause: unknown) => void
  /** Requests for another protocol reach the handler too; without it they are answered as if they had not asked. */
  readonly upgrades?: boolean
  /** The hops of proxies whose X-Forwarded-For counts. */
  readonly trustProxy?: number
  /** Other bounds than the usual. */
  readonly bounds?: Partial<typeof usualBounds>
  readonly turns?: Partial<typeof usualTurns>
}

const usualBounds = {
  /** A client must have sent its headers, and the whole request, by then. */
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // Longer than the idle timeout of usual proxies (60 s), so that they hang up first and no request meets a
  // connection that we are just closing.
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
  insecureHTTPParser: false,
  // Node would refuse without a word; the application says what is missing.
  requireHostHeader: false,
  noDelay: true,
  /** While stopping, how long an idle connection may still send a request. */
  idleGraceMs: usualIdleGraceMs,
}

/** None: Node would drop what comes after 2,000 headers without a word. `maxHeaderSize` bounds them. */
const maxHeadersCount = 0

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { handler, host, port, log, onFatal, trustProxy = 0 } = options
  const { idleGraceMs, ...bounds } = { ...usualBounds, ...options.bounds }
  let stopped: Promise<void> | null = null

  const warn = createSparingWarning(log)
  const turns = createFairTurns({
    handler,
    refuse: (_req, res) => answerProblem(res, crowded),
    addressOf: (req) => addressKey(clientAddress(req, trustProxy) ?? 'unknown'),
    onGreedy: (address) => warn('greedy', { address }, 'a client sends many requests before it is answered'),
    bounds: options.turns ?? {},
  })

  const serve: RequestListener = (req, res) => {
    connections.asked(req, res)
    turns.serve(req, res)
  }

  const server = createServer(bounds, serve)
  const connections = watchConnections(server, idleGraceMs)
  server.maxHeadersCount = maxHeadersCount
  // An expectation that no one knows may be ignored; Node would answer it with a bare 417.
  server.on('checkExpectation', serve)
  // Node would hang up without a word. It leaves the connection to us, its errors too.
  server.on('connect', (req, socket) => {
    socket.on('error', () => socket.destroy())
    refuse(noTunnels, socket, connections.lastAnswer(req.socket))
  })
  server.on('connection', turns.open)
  if (options.upgrades) serveUpgrades(server, handler, connections.left)
  server.on('clientError', (fault: NodeJS.ErrnoException, socket) => {
    log.debug({ code: fault.code }, 'a client does not speak HTTP')
    if (fault.code === 'ECONNRESET') socket.destroy()
    else refuse(problemOf(fault), socket, connections.lastAnswer(socket as Socket))
  })

  async function drain(deadline: Deadline): Promise<void> {
    await connections.drain(deadline)
    turns.stop()
    // Only now, since it cuts idle connections: ends the timer that watches for slow clients.
    server.close()
  }

  return {
    get port() {
      return (server.address() as AddressInfo | null)?.port ?? port
    },
    async start() {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port, backlog: 1_024 }, () => {
          server.off('error', reject)
          resolve()
        })
      })
      server.on('error', onFatal)
      turns.start()
    },
    async stop(deadline) {
      if (!server.listening && stopped === null) return
      await (stopped ??= drain(deadline))
    },
  }
}

/** Answers bytes that are not a request, and hangs up: what follows them can't be told apart either. */
function refuse(problem: Problem, socket: Duplex, last: ServerResponse | undefined): void {
  if (isBegun(last, socket) || !socket.writable) {
    socket.destroy()
    return
  }
  const body = problemBody(problem)
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      `Content-Type: ${problemContentType}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'X-Content-Type-Options: nosniff',
      'Cache-Control: no-store',
      'Connection: close',
      ...Object.entries(problem.headers).map(([name, value]) => `${name}: ${value}`),
      '',
      body,
    ].join('\r\n'),
    // A client that goes on sending must not hold the connection.
    () => socket.destroy(),
  )
}

/** Whether there is an answer under way that ours would end up in, or in the place of. */
function isBegun(last: ServerResponse | undefined, socket: Duplex): boolean {
  if (last === undefined || last.writableFinished) return false
  // An answer that has no connection yet waits for one before it.
  return last.headersSent || last.socket !== socket
}

/** For who has had so many requests under way for so long that this one did not get its turn. */
const crowded = problem('unavailable', 'too many requests from your address are under way, please try again')

const noTunnels = problem('method-not-allowed', 'CONNECT is not answered', { headers: { Allow: 'OPTIONS' } })

function problemOf(fault: NodeJS.ErrnoException): Problem {
  switch (fault.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new Problem(
        431,
        'headers-too-large',
        'Headers too large',
        'the headers take more bytes than are read',
      )
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Problem(408, 'request-timeout', 'Request timeout', 'the request was not complete in time')
    default:
      return new Problem(
        400,
        'malformed-request',
        'Malformed request',
        'this is not an HTTP request that we understand',
      )
  }
}
