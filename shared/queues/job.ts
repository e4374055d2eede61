/**
 * A job: a kind of work that is done apart from the request that asked for it. One declaration is what checks a
 * payload, what decides who may ask, what runs it, and what the dashboard must hide.
 *
 * Work is done at least once: a worker that dies half-way leaves it to another one, from the start. So a handler
 * must bear being run again with the same payload.
 */
import type { z } from 'zod'
import type { Behalf } from './behalf.ts'
import type { ChildResult } from './flow.ts'
import { isStrictObject } from '../kernel/zod-schema.ts'

/** What a handler reports to. Every pino logger is one. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: Record<string, unknown>): Log
}

/** One attempt at one job, as its handler sees it. */
export interface JobRun<Payload> {
  readonly id: string
  readonly data: Payload
  /** 1 for the first. Being handed over or recovered from a dead worker uses none. */
  readonly attempt: number
  /** The tick that this is the run of; null when a schedule did not ask for it. */
  readonly scheduledFor: Date | null
  /**
   * Aborted when the time is over, the process has to stop, the job was cancelled (also because the session that it is
   * done for has ended), or it was given to another worker. What the handler returns or throws afterwards is not looked
   * at.
   */
  readonly signal: AbortSignal
  readonly log: Log
  /** Whose session, or which user's sessions, it ends with; null when it was not asked for like that. */
  readonly onBehalfOf: Behalf | null
  /** In a flow: what the jobs that were done before this one resolved to. */
  childResults(): Promise<ChildResult[]>
  /** A number, or an object of JSON values; shown with the job's state. */
  progress(value: number | object): Promise<void>
}

/** Does the work; what it resolves to is kept as the job's result, as JSON. */
export type Handler<Payload, Services> = (run: JobRun<Payload>, services: Services) => Promise<unknown>

/** What a module exports that holds the handler of a job, for `load`. */
export interface HandlerModule<Payload, Services> {
  readonly handler: Handler<Payload, Services>
}

/** Who may ask for a job over HTTP. The code of this application always may. */
export type Enqueuers = 'nobody' | 'anyone signed in' | readonly [string, ...string[]]

/** Whether someone with these roles may ask for the job from outside of the code. */
export function mayEnqueue({ enqueue }: Pick<Job, 'enqueue'>, roles: readonly string[]): boolean {
  if (enqueue === 'nobody') return false
  return enqueue === 'anyone signed in' || roles.some((role) => enqueue.includes(role))
}

export interface Backoff {
  readonly type: 'fixed' | 'exponential'
  readonly delayMs: number
  /** Which part of each wait is left to chance, 0 to 1, so that many that failed together do not return together. */
  readonly jitter?: number
}

export interface RateLimit {
  readonly max: number
  readonly perMs: number
}

/** How long finished jobs stay to be looked at, whichever limit comes first. */
export interface Retention {
  readonly count: number
  readonly seconds: number
}

/** `Stored` is what one asks for it with, `Services` what its handler works with. */
export interface Job<Stored = unknown, Services = unknown> {
  readonly name: string
  readonly payload: z.ZodType<unknown, Stored>
  readonly attempts: number
  readonly backoff: Backoff
  readonly priority: number
  readonly timeoutMs: number
  readonly concurrency: number
  readonly globalConcurrency: number | null
  readonly rateLimit: RateLimit | null
  readonly enqueue: Enqueuers
  readonly secretFields: readonly string[]
  readonly keepCompleted: Retention
  readonly keepFailed: Retention
  readonly work:
    | { readonly kind: 'handler'; readonly handler: Handler<unknown, Services> }
    | { readonly kind: 'module'; readonly load: () => Promise<HandlerModule<unknown, Services>> }
    | { readonly kind: 'sandbox'; readonly file: URL }
}

/** A job of any payload, whose handler is content with these services. */
export type AnyJob<Services = never> = Job<unknown, Services>

export interface JobDescription<Payload extends z.ZodType> {
  /** Small letters, digits and hyphens: also the name of its queue and its path under `/api/v1/jobs`. */
  readonly name: string
  /** A `z.strictObject`, so that a field no one reads is refused instead of kept. */
  readonly payload: Payload
  /** How often it is tried when the handler throws. Default 3. */
  readonly attempts?: number
  /** The wait before the next attempt. Default: exponential from 1 s. */
  readonly backoff?: Backoff
  /** Among the waiting jobs of this name the lowest goes first; 0, the default, before all others. */
  readonly priority?: number
  /** How long one attempt may take. Default 1 minute. */
  readonly timeoutMs?: number
  /** How many each process works on at once. Default 5, and 1 in a sandbox. */
  readonly concurrency?: number
  /** How many all processes together work on at once. Default: as many as each does. */
  readonly globalConcurrency?: number
  /** How many all processes together begin in a time. Default: as many as there are. */
  readonly rateLimit?: RateLimit
  /** Default: `nobody`, only code. */
  readonly enqueue?: Enqueuers
  /** Top-level fields of the payload that no one needs to see; the dashboard hides them. */
  readonly secretFields?: readonly string[]
  /** Default: the last 1,000, for a day. A count of 0 keeps none. */
  readonly keepCompleted?: Retention
  /** Default: the last 5,000, for a week. */
  readonly keepFailed?: Retention
}

/** Names of queues that are not a job's. */
export const reservedNames: readonly string[] = ['schedules']

/** Checks the declaration of a job. Throws `TypeError` with everything that is wrong with it. */
export function defineJob<Payload extends z.ZodType, Services = unknown>(
  description: JobDescription<Payload> &
    (
      | { readonly handler: Handler<z.output<Payload>, Services> }
      /**
       * Imports the module that exports `handler`. Job workers call it as they start; a process that only enqueues
       * never does, and is spared what the handler needs.
       */
      | { readonly load: () => Promise<HandlerModule<z.output<Payload>, Services>> }
      /** A module that exports `handler`, which is run in a thread of its own: for work that never awaits. */
      | { readonly sandbox: URL }
    ),
): Job<z.input<Payload>, Services> {
  const sandboxed = 'sandbox' in description
  const job: Job<z.input<Payload>, Services> = {
    name: description.name,
    payload: description.payload as z.ZodType<unknown, z.input<Payload>>,
    attempts: description.attempts ?? 3,
    backoff: description.backoff ?? { type: 'exponential', delayMs: 1_000 },
    priority: description.priority ?? 0,
    timeoutMs: description.timeoutMs ?? 60_000,
    concurrency: description.concurrency ?? (sandboxed ? 1 : 5),
    globalConcurrency: description.globalConcurrency ?? null,
    rateLimit: description.rateLimit ?? null,
    enqueue: description.enqueue ?? 'nobody',
    secretFields: description.secretFields ?? [],
    keepCompleted: description.keepCompleted ?? { count: 1_000, seconds: 24 * 60 * 60 },
    keepFailed: description.keepFailed ?? { count: 5_000, seconds: 7 * 24 * 60 * 60 },
    work: workOf(description),
  }
  const problems = problemsOf(job)
  if (problems.length > 0) throw new TypeError(`job ${JSON.stringify(job.name)}: ${problems.join('; ')}`)
  return Object.freeze(job)
}

/** Sound, because a handler is only ever called with what this payload's schema made. */
function workOf<Payload, Services>(
  described:
    | { readonly handler: Handler<Payload, Services> }
    | { readonly load: () => Promise<HandlerModule<Payload, Services>> }
    | { readonly sandbox: URL },
): Job<never, Services>['work'] {
  if ('sandbox' in described) return { kind: 'sandbox', file: described.sandbox }
  if ('load' in described) {
    return { kind: 'module', load: described.load as () => Promise<HandlerModule<unknown, Services>> }
  }
  return { kind: 'handler', handler: described.handler as Handler<unknown, Services> }
}

/** The jobs by name. Throws `TypeError` when two have the same one. */
export function jobsByName<J extends AnyJob>(jobs: readonly J[]): ReadonlyMap<string, J> {
  const byName = new Map<string, J>()
  for (const job of jobs) {
    if (byName.has(job.name)) throw new TypeError(`two jobs are called ${job.name}`)
    byName.set(job.name, job)
  }
  return byName
}

/**
 * The module beside this one, with the extension that this one has: `.ts` as it was written, `.js` as it was
 * built. For the `sandbox` of a job: `sibling(import.meta.url, 'resize.sandbox')`.
 */
export function sibling(ofModule: string, name: string): URL {
  return new URL(`./${name}${/\.[cm]?[jt]s$/.exec(ofModule)?.[0] ?? '.js'}`, ofModule)
}

/** Whether a name can be a job's or a schedule's: it becomes part of keys and ids, where `:` has a meaning. */
export function isUsableName(name: unknown): name is string {
  return typeof name === 'string' && /^[a-z][a-z0-9-]{0,63}$/.test(name)
}

export function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
}

export const mostAttempts = 100

/** What is wrong with it, or null. */
export function backoffProblem(backoff: Backoff): string | null {
  const { type, delayMs, jitter = 0 } = backoff ?? {}
  if (type !== 'fixed' && type !== 'exponential') return 'backoff is fixed or exponential'
  if (!isWhole(delayMs, 0, longestMs)) return 'backoff.delayMs must be whole milliseconds, at most a year'
  return typeof jitter === 'number' && jitter >= 0 && jitter <= 1 ? null : 'backoff.jitter must be 0 to 1'
}

export const longestMs = 366 * 24 * 60 * 60 * 1_000

function problemsOf(job: AnyJob): string[] {
  const { payload, backoff, enqueue, work } = job
  const strict = isStrictObject(payload)
  const fields = strict ? Object.keys(payload.shape) : []
  const unknown = strict ? job.secretFields.filter((field) => !fields.includes(field)) : []
  const checks: readonly [ok: boolean, problem: string][] = [
    [isUsableName(job.name), 'name it with small letters, digits and hyphens, at most 64'],
    [!reservedNames.includes(job.name), 'this name is taken by the queue of schedules'],
    [strict, 'payload must be a z.strictObject'],
    [isWhole(job.attempts, 1, mostAttempts), `attempts must be 1 to ${mostAttempts}`],
    [backoffProblem(backoff) === null, backoffProblem(backoff) ?? ''],
    [isWhole(job.priority, 0, 2_097_151), 'priority must be 0 to 2097151'],
    [isWhole(job.timeoutMs, 1, 2 ** 31 - 1), 'timeoutMs must be whole milliseconds, at most 24 days'],
    [isWhole(job.concurrency, 1, 1_000), 'concurrency must be 1 to 1000'],
    [
      job.globalConcurrency === null || isWhole(job.globalConcurrency, 1, 100_000),
      'globalConcurrency must be 1 to 100000',
    ],
    [
      job.rateLimit === null ||
        (isWhole(job.rateLimit.max, 1, 1_000_000) && isWhole(job.rateLimit.perMs, 1, longestMs)),
      'rateLimit takes max, 1 to 1000000, and perMs, whole milliseconds',
    ],
    [isEnqueuers(enqueue), "enqueue is 'nobody', 'anyone signed in' or a list of roles"],
    [unknown.length === 0, `secretFields names ${unknown.join(', ')}, which the payload does not have`],
    [[job.keepCompleted, job.keepFailed].every(isRetention), 'keep… takes whole numbers of jobs and seconds'],
    [isWork(work), 'it has no handler, load or sandbox'],
  ]
  return checks.filter(([ok]) => !ok).map(([, problem]) => problem)
}

function isWork(work: AnyJob['work']): boolean {
  if (work.kind === 'sandbox') return work.file instanceof URL
  return typeof (work.kind === 'module' ? work.load : work.handler) === 'function'
}

function isEnqueuers(value: Enqueuers): boolean {
  if (value === 'nobody' || value === 'anyone signed in') return true
  return Array.isArray(value) && value.length > 0 && value.every((role) => typeof role === 'string')
}

function isRetention({ count, seconds }: Retention): boolean {
  return isWhole(count, 0, 1_000_000) && isWhole(seconds, 0, longestMs / 1_000)
}
