/**
 * A stream of events as a route: the same guards as every route, then headers, and events until the client leaves, its
 * session ends or the worker stops. The end of the session is told as `event: session-ended`, and nothing after it.
 */
import type { ServerResponse } from 'node:http'
import type { AppContext } from '../../../shared/app/context.ts'
import type { Parts } from '../../../shared/app/parts.ts'
import { Problem } from '../../../shared/app/problem.ts'
import { defineRoute, type Access, type Route } from '../../../shared/app/route.ts'
import type { Stream, StreamConnection } from '../../../shared/app/stream.ts'
import { isEventId } from '../../../shared/live/room-event.ts'
import type { WorkEndReason } from '../../../shared/live/work-ended.ts'
import { comeBackMs } from './connections.ts'
import { acceptsEventStream, eventStreamType, formatEvent, formatRetry, heartbeat } from './event-stream.ts'
import type { Attached, Live } from './live.ts'

/** How long a client that was told the end may take to read it. */
const lastWordsMs = 2_000
/** The longest id that a client may come back with. */
const longestEventId = 256
const longestEvent = 262_144

/**
 * @param accessOf what this opening depends on, where that is more than what the route asks for
 */
export function streamRoute(
  stream: Stream,
  live: Live,
  accessOf: (ctx: AppContext) => Access = () => stream.access,
): Route {
  return defineRoute({
    method: 'GET',
    path: stream.path,
    access: stream.access,
    summary: stream.summary,
    gate: false,
    ...(stream.limits ? { limits: stream.limits } : {}),
    replies: { 200: { description: 'Server-sent events' } },
    timeoutMs: Infinity,
    handler: (ctx, _input, parts) => openStream(ctx, stream, accessOf(ctx), live, parts),
  })
}

async function openStream(
  ctx: AppContext,
  stream: Stream,
  access: Access,
  live: Live,
  parts: Parts,
): Promise<void> {
  if (!acceptsEventStream(ctx.req.headers.accept)) {
    throw new Problem(406, 'not-acceptable', 'Not acceptable', 'this is a stream: accept text/event-stream')
  }
  const { res } = ctx
  let sayEnd = (_reason: WorkEndReason): void => {}
  const attached = await live.attach(ctx, access, (reason) => sayEnd(reason))

  const delivery = live.deliveries.open({
    wire: {
      write: (frame) => void res.write(frame),
      get waitingBytes() {
        return res.writableLength
      },
    },
    mayDeliver: () => res.headersSent && attached.mayDeliver(),
    onSlow: () => sayEnd('too-slow'),
  })
  sayEnd = (reason) => {
    if (attached.work.signal.aborted) return
    delivery.end()
    if (res.headersSent) finish(res, lastWords(reason))
    attached.end(reason)
  }
  const push = (frame: string) => delivery.push(frame)

  const connection: StreamConnection = {
    signal: attached.work.signal,
    lastEventId: lastEventIdOf(ctx),
    send: (event) => push(requireSmall(formatEvent(event))),
    async join(channel, { replay = false } = {}) {
      const after = replay && connection.lastEventId !== null && isEventId(connection.lastEventId)
      const leave = await live.rooms.join(channel, (event) => void push(formatEvent(event)), {
        after: after ? connection.lastEventId : null,
        onGap: () => push(formatEvent({ event: 'replay-gap', data: '{}' })),
      })
      if (attached.work.signal.aborted) leave()
      else attached.finally(leave)
    },
    end: () => sayEnd('ended'),
  }
  attached.joinAs((event) => void push(formatEvent(event)))

  res.once('close', () => {
    delivery.end()
    attached.end('client-gone')
  })
  attached.place.open({
    drain: () => sayEnd('worker-stopping'),
    beat() {
      if (res.headersSent && res.writableLength === 0) res.write(heartbeat)
    },
  })
  try {
    const opening = stream.open(ctx, connection, parts)
    if (opening instanceof Promise) opening.catch((err: unknown) => failed(err))
  } catch (cause) {
    attached.end('ended')
    throw cause
  }
  begin(ctx, attached)

  function failed(err: unknown): void {
    if (attached.work.signal.aborted) return
    live.log.error({ err, route: stream.path, requestId: ctx.state.requestId }, 'a stream failed')
    sayEnd('ended')
  }
}

/** From now on the answer is ours to write. */
function begin(ctx: AppContext, attached: Attached): void {
  const { res } = ctx
  ctx.status = 200
  ctx.respond = false
  res.writeHead(200, {
    'Content-Type': `${eventStreamType}; charset=utf-8`,
    'Cache-Control': 'no-store',
    // nginx would collect events until its buffer is full.
    'X-Accel-Buffering': 'no',
  })
  if (ctx.req.method === 'HEAD' || attached.work.signal.aborted) {
    res.end()
    attached.end('ended')
  } else res.write(heartbeat)
}

function lastWords(reason: WorkEndReason): string {
  switch (reason) {
    case 'worker-stopping':
      return formatRetry(comeBackMs())
    case 'session-ended':
    case 'access-lost':
    case 'too-slow':
      return formatEvent({ event: reason, data: '{}' })
    default:
      return ''
  }
}

/** Ends the answer; a client that does not read it is cut off. */
function finish(res: ServerResponse, words: string): void {
  res.end(words)
  const cut = setTimeout(() => res.destroy(), lastWordsMs).unref()
  res.once('close', () => clearTimeout(cut))
}

/** A mistake of the handler, and not a client that does not keep up. */
function requireSmall(frame: string): string {
  if (frame.length <= longestEvent) return frame
  throw new RangeError(`an event may have ${longestEvent} characters, and this one has ${frame.length}`)
}

function lastEventIdOf({ req }: AppContext): string | null {
  const given = req.headers['last-event-id']
  return typeof given === 'string' && given !== '' && given.length <= longestEventId ? given : null
}
