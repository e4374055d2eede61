/** Everything that the primary and its workers say to each other. What arrives is checked here, once. */
import type { Vitals } from './vitals.ts'
import type { ControlAnswer } from './control-request.ts'

/** What a worker reports about itself once a second. Job workers hold neither lease nor sessions. */
export interface Heartbeat extends Vitals {
  readonly leaseMs: number | null
  readonly cachedSessions: number | null
  /** Answered since it started. */
  readonly requests: number | null
  /** The longest that a revocation took since the last heartbeat; null: there was none. */
  readonly revocationMs: number | null
}

/** From a worker. */
export type WorkerMessage =
  /**
   * It can do its work; `port` is where it listens, if it does, and `memberId` who it is among those that hold
   * sessions, if it does.
   */
  | { readonly type: 'ready'; readonly port: number | null; readonly memberId: string | null }
  /** It could not start, and ends now. */
  | { readonly type: 'failed'; readonly reason: string }
  | ({ readonly type: 'heartbeat' } & Heartbeat)
  /** It has finished, and ends when it is told goodbye. */
  | { readonly type: 'leaving' }
  /** A request to the primary (control-request.ts), answered with the same `id`. */
  | { readonly type: 'ask'; readonly id: number; readonly request: unknown }

/** From the primary. */
export type PrimaryMessage =
  /** The server will stop soon: tell balancers, and go on as before until `stop`. */
  | { readonly type: 'stop-ahead' }
  /** Finish what is under way and end, within `graceMs` milliseconds. Said again, it shortens the time. */
  | { readonly type: 'stop'; readonly graceMs: number }
  /** A job worker of this name has died: its jobs are to be done by others. */
  | { readonly type: 'departed'; readonly worker: string }
  /** Everything that was sent to the leaving worker, connections included, has arrived there before this. */
  | { readonly type: 'goodbye' }
  | { readonly type: 'answer'; readonly id: number; readonly answer: ControlAnswer }

/** Null when it is none of ours: other programs in the process may use the same channel. */
export function parseWorkerMessage(value: unknown): WorkerMessage | null {
  const message = fieldsOf(value)
  switch (message.type) {
    case 'ready': {
      const { port, memberId = null } = message
      if (port !== null && !isPort(port)) return null
      return { type: 'ready', port, memberId: typeof memberId === 'string' ? memberId : null }
    }
    case 'failed':
      return typeof message.reason === 'string' ? { type: 'failed', reason: message.reason } : null
    case 'heartbeat':
      return parseHeartbeat(message)
    case 'leaving':
      return { type: 'leaving' }
    case 'ask':
      return isCount(message.id) ? { type: 'ask', id: message.id, request: message.request } : null
    default:
      return null
  }
}

export function parsePrimaryMessage(value: unknown): PrimaryMessage | null {
  const message = fieldsOf(value)
  switch (message.type) {
    case 'stop':
      return isCount(message.graceMs) ? { type: 'stop', graceMs: message.graceMs } : null
    case 'goodbye':
      return { type: 'goodbye' }
    case 'departed':
      return typeof message.worker === 'string' ? { type: 'departed', worker: message.worker } : null
    case 'stop-ahead':
      return { type: 'stop-ahead' }
    case 'answer': {
      const answer = fieldsOf(message.answer)
      if (!isCount(message.id) || typeof answer.ok !== 'boolean') return null
      return { type: 'answer', id: message.id, answer: answer as unknown as ControlAnswer }
    }
    default:
      return null
  }
}

function parseHeartbeat(message: Record<string, unknown>): WorkerMessage | null {
  const { eventLoopLagMs, rssBytes, leaseMs, cachedSessions, requests, revocationMs } = message
  if (!isCount(eventLoopLagMs) || !isCount(rssBytes)) return null
  return {
    type: 'heartbeat',
    eventLoopLagMs,
    rssBytes,
    leaseMs: isCount(leaseMs) ? leaseMs : null,
    cachedSessions: isCount(cachedSessions) ? cachedSessions : null,
    requests: isCount(requests) ? requests : null,
    revocationMs: isCount(revocationMs) ? revocationMs : null,
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= 65_535
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0
}
