/**
 * A WebSocket as a route: the upgrade request goes through the same guards as every request, so it is refused by the
 * same answers, and only what has passed them all is upgraded. Close codes: 4401 the session has ended, 4403 the user
 * may not do this any more, 1012 the worker restarts (the reason says after how many milliseconds to come back), 1013
 * the client does not keep up, 1008 it sends too much, 1009 a message is too large, 1011 the handler failed.
 */
import type { IncomingMessage } from 'node:http'
import { WebSocketServer, type RawData, type WebSocket } from 'ws'
import type { AppContext } from '../../../shared/app/context.ts'
import type { Parts } from '../../../shared/app/parts.ts'
import { Problem, problem } from '../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../shared/app/route.ts'
import type { Socket, SocketConnection } from '../../../shared/app/stream.ts'
import { WorkEnded, type WorkEndReason } from '../../../shared/live/work-ended.ts'
import { requestOrigin } from '../../http/forwarded.ts'
import { takeUpgrade } from '../../http/upgrades.ts'
import { comeBackMs } from './connections.ts'
import type { Attached, Live } from './live.ts'
import { createMessageRate } from './message-rate.ts'

export interface SocketOptions {
  readonly trustProxy: number
  /** Where people reach us, when that is known, and the other sites that may call us. */
  readonly origins: readonly string[]
}

/** The longest message that is taken. */
const maxPayload = 64 * 1024
/** How long a client that was told the end may take to say goodbye. */
const closingMs = 2_000

const closeCodes: Record<WorkEndReason, number> = {
  'session-ended': 4401,
  'access-lost': 4403,
  'worker-stopping': 1012,
  'too-slow': 1013,
  'client-gone': 1000,
  ended: 1000,
}

const upgrades = new WebSocketServer({ noServer: true, maxPayload, perMessageDeflate: false })

export function socketRoute(socket: Socket, live: Live, options: SocketOptions): Route {
  return defineRoute({
    method: 'GET',
    path: socket.path,
    access: socket.access,
    summary: socket.summary,
    gate: false,
    ...(socket.limits ? { limits: socket.limits } : {}),
    replies: {
      101: { description: 'Upgraded to a WebSocket' },
      426: { description: 'Not a WebSocket handshake' },
    },
    handler: (ctx, _input, parts) => openSocket(ctx, socket, live, parts, options),
  })
}

async function openSocket(
  ctx: AppContext,
  socket: Socket,
  live: Live,
  parts: Parts,
  options: SocketOptions,
): Promise<void> {
  requireHandshake(ctx.req)
  requireOwnOrigin(ctx, options)
  let sayEnd = (_reason: WorkEndReason): void => {}
  const attached = await live.attach(ctx, socket.access, (reason) => sayEnd(reason))

  const webSocket = await upgrade(ctx)
  if (webSocket === null) return attached.end('client-gone')
  const open = talk(webSocket, attached, live)
  sayEnd = open.end
  attached.place.open({ drain: () => open.end('worker-stopping'), beat: open.beat })
  // The request is over; what the handler still does may take as long as the socket.
  void (async () => socket.open(ctx, open.connection, parts))().catch((err: unknown) => {
    live.log.error({ err, route: socket.path, requestId: ctx.state.requestId }, 'a socket failed')
    open.close(1011, 'internal error', 'ended')
  })
}

/** Both directions of one socket. What it receives waits like what it sends while nothing may be delivered. */
function talk(webSocket: WebSocket, attached: Attached, live: Live) {
  const rate = createMessageRate()
  const messageListeners: ((text: string) => void)[] = []
  const closeListeners: ((code: number) => void)[] = []
  let alive = true

  const outgoing = live.deliveries.open({
    wire: {
      write: (text) => webSocket.send(text),
      get waitingBytes() {
        return webSocket.bufferedAmount
      },
    },
    mayDeliver: attached.mayDeliver,
    onSlow: () => end('too-slow'),
  })
  const incoming = live.deliveries.open({
    wire: {
      write(text) {
        for (const listener of messageListeners) attempt(() => listener(text))
      },
      waitingBytes: 0,
    },
    mayDeliver: attached.mayDeliver,
    onSlow: () => close(1008, 'too much at once', 'ended'),
  })

  function attempt(call: () => unknown): void {
    const failed = (err: unknown) => {
      live.log.error({ err }, 'a listener of a socket failed')
      close(1011, 'internal error', 'ended')
    }
    try {
      const result = call()
      if (result instanceof Promise) result.catch(failed)
    } catch (err) {
      failed(err)
    }
  }

  function close(code: number, text: string, reason: WorkEndReason): void {
    if (attached.work.signal.aborted) return
    outgoing.end()
    incoming.end()
    attached.end(reason)
    webSocket.close(code, text)
    setTimeout(() => webSocket.terminate(), closingMs).unref()
  }

  function end(reason: WorkEndReason): void {
    const text = reason === 'worker-stopping' ? `retry in ${comeBackMs()} ms` : new WorkEnded(reason).message
    close(closeCodes[reason], text, reason)
  }

  webSocket.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary) close(1003, 'messages are text', 'ended')
    else if (!rate.allows()) close(1008, 'too many messages', 'ended')
    else incoming.push(textOf(data))
  })
  webSocket.on('ping', () => {
    // No good-bye for who floods us with what only keeps a connection alive.
    if (!rate.allows()) webSocket.terminate()
  })
  webSocket.on('pong', () => (alive = true))
  // What broke (a frame that is malformed or too large) ws answers with its close code.
  webSocket.on('error', () => {})
  webSocket.on('close', (code) => {
    outgoing.end()
    incoming.end()
    attached.end('client-gone')
    for (const listener of closeListeners) attempt(() => listener(code))
  })
  attached.joinAs(({ data }) => void outgoing.push(data))

  const connection: SocketConnection = {
    signal: attached.work.signal,
    send: (text) => outgoing.push(text),
    close: (code = 1000, text = '') => close(code, text, 'ended'),
    onMessage: (listener) => void messageListeners.push(listener),
    onClose: (listener) => void closeListeners.push(listener),
    async join(channel) {
      const leave = await live.rooms.join(channel, ({ data }) => void outgoing.push(data))
      if (attached.work.signal.aborted) leave()
      else attached.finally(leave)
    },
  }
  return {
    connection,
    close,
    end,
    /** A client that has not answered the last ping is gone. */
    beat() {
      if (!alive) return webSocket.terminate()
      alive = false
      webSocket.ping()
    },
  }
}

function requireHandshake({ headers }: IncomingMessage): void {
  if (headers.upgrade?.toLowerCase() === 'websocket') return
  throw new Problem(
    426,
    'upgrade-required',
    'Upgrade required',
    'this is a WebSocket: connect with ws:// or wss://',
    {
      headers: { Upgrade: 'websocket', Connection: 'Upgrade' },
    },
  )
}

/**
 * A browser lets any site open a WebSocket here with the cookie of its user, and says in Origin which site that is.
 * Programs send none.
 */
function requireOwnOrigin(ctx: AppContext, { trustProxy, origins }: SocketOptions): void {
  const { origin } = ctx.req.headers
  if (origin === undefined || origins.includes(origin) || origin === requestOrigin(ctx.req, trustProxy))
    return
  throw problem('csrf', 'the Origin of the request is not this site')
}

/** Null when the client has gone, or its handshake was malformed and was answered. */
function upgrade(ctx: AppContext): Promise<WebSocket | null> {
  const taken = takeUpgrade(ctx.req, ctx.res)
  ctx.status = 101
  ctx.respond = false
  if (taken === null) return Promise.resolve(null)
  const { socket, head } = taken
  return new Promise((resolve) => {
    socket.once('close', () => resolve(null))
    upgrades.handleUpgrade(ctx.req, socket, head, resolve)
  })
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString()
  return Buffer.from(data as Buffer).toString()
}
