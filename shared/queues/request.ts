/** A request for a job: what may be said about it, and how BullMQ is told. */
import type { JobsOptions } from 'bullmq'
import { behalfKey, parseBehalf, type Behalf } from './behalf.ts'
import { DedupeConflict, dedupeId, dedupeMs, isIdFor, keyedJobId } from './dedupe.ts'
import { backoffProblem, isWhole, longestMs, mostAttempts, type AnyJob, type Backoff } from './job.ts'
import { checkPayload } from './payload.ts'
import type { StoredJob } from './stored-job.ts'

export interface EnqueueOptions {
  /** Do it this much later. */
  readonly delayMs?: number
  /**
   * Of several requests with one key (by one asker) within a day, the first makes the job, the others are answered
   * with its id, even when it is done by then. One with another payload is refused with `DedupeConflict`.
   */
  readonly dedupeKey?: string
  /** Instead of the job's own. */
  readonly priority?: number
  /** Instead of the job's own. */
  readonly attempts?: number
  /** Instead of the job's own. */
  readonly backoff?: Backoff
  /** The user who asks, who may then look at it. */
  readonly by?: string
  /**
   * Done only as long as the session, or all sessions of the user, of the caller have not been ended: cancelled
   * otherwise, also while it runs. The words are for handlers of what is for signed-in users, and of jobs that are done
   * on behalf of someone themselves.
   */
  readonly onBehalfOf?: 'session' | 'user' | Behalf
}

export interface Enqueued {
  readonly id: string
  /** False when an earlier request with this `dedupeKey` made the job. */
  readonly created: boolean
}

/** One of many, for `enqueueMany`. */
export interface JobRequest<Stored> {
  readonly payload: Stored
  readonly options?: EnqueueOptions
}

/** As BullMQ's `add` and `addBulk` take it. */
export interface BullRequest {
  readonly name: string
  readonly data: StoredJob
  readonly opts: JobsOptions
}

/** Throws `InvalidPayload` or `TypeError` for what the job does not take. */
export function bullRequest(job: AnyJob, payload: unknown, options: EnqueueOptions = {}): BullRequest {
  refuseWrongOptions(options)
  const { delayMs = 0, dedupeKey, by, onBehalfOf, priority = job.priority } = options
  const behalf = onBehalfOf === undefined ? null : parseBehalf(onBehalfOf)
  const { attempts = job.attempts, backoff = job.backoff } = options
  const stored = checkPayload(job, payload)
  const opts: JobsOptions = { attempts, backoff: bullBackoff(backoff) }
  if (priority > 0) opts.priority = priority
  if (delayMs > 0) opts.delay = delayMs
  if (dedupeKey !== undefined) {
    opts.jobId = keyedJobId(stored)
    const asker = behalf === null ? by : `${by ?? ''} ${behalfKey(behalf)}`
    opts.deduplication = { id: dedupeId(asker, dedupeKey), ttl: dedupeMs }
  }
  const origin = { ...(by === undefined ? {} : { by }), ...(behalf === null ? {} : { behalf }) }
  return { name: job.name, data: { payload: stored, ...origin }, opts }
}

/** What the id that BullMQ gave means. Throws `DedupeConflict` when it is that of a job with another payload. */
export function answerTo({ name, data, opts }: BullRequest, id: string): Enqueued {
  if (opts.jobId === undefined || id === opts.jobId) return { id, created: true }
  if (!isIdFor(id, data.payload)) throw new DedupeConflict(name, id)
  return { id, created: false }
}

export function bullBackoff({ type, delayMs, jitter }: Backoff) {
  return jitter ? { type, delay: delayMs, jitter } : { type, delay: delayMs }
}

const checks: { readonly [Name in keyof Required<EnqueueOptions>]: (value: never) => string | null } = {
  delayMs: (value) =>
    isWhole(value, 0, longestMs) ? null : 'delayMs must be whole milliseconds, at most a year',
  dedupeKey: (value: unknown) =>
    typeof value === 'string' && /^.{1,256}$/su.test(value) ? null : 'dedupeKey must be 1 to 256 characters',
  priority: (value) => (isWhole(value, 0, 2_097_151) ? null : 'priority must be 0 to 2097151'),
  attempts: (value) => (isWhole(value, 1, mostAttempts) ? null : `attempts must be 1 to ${mostAttempts}`),
  backoff: (value) => backoffProblem(value),
  by: (value: unknown) => (typeof value === 'string' ? null : 'by must be the id of a user'),
  onBehalfOf(value: unknown) {
    if (value === 'session' || value === 'user') return `onBehalfOf: nobody who has a ${value} asks here`
    return parseBehalf(value) === null ? "onBehalfOf is 'session' or 'user'" : null
  },
}

function refuseWrongOptions(options: EnqueueOptions): void {
  for (const [name, value] of Object.entries(options) as [keyof EnqueueOptions, unknown][]) {
    if (name === ('repeat' as string)) {
      throw new TypeError('repeat: BullMQ would take it and never repeat the job; declare a schedule instead')
    }
    if (!Object.hasOwn(checks, name)) throw new TypeError(`enqueue has no option ${JSON.stringify(name)}`)
    const problem = value === undefined ? null : checks[name](value as never)
    if (problem !== null) throw new TypeError(problem)
  }
}
