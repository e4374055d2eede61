/**
 * What can be asked of a primary while it runs, by the `lockstep` command over the control socket and by a web worker
 * on behalf of an administrator. One grammar for both: what arrives is checked here, once.
 */
import { z } from 'zod'
import { workerRoles, type WorkerRole } from './assignment.ts'

export const mostWorkers = 256

const wait = z.boolean().default(false).describe('answer when it is done, not when it has begun')

const requestSchema = z.discriminatedUnion('command', [
  z.strictObject({ command: z.literal('status') }),
  /** Where Redis is, for a process of the same user that works on it. */
  z.strictObject({ command: z.literal('redis') }),
  z.strictObject({
    command: z.literal('reload'),
    parallel: z.int().min(1).max(mostWorkers).optional().describe('how many workers at a time; 1 by default'),
    wait,
  }),
  z.strictObject({
    command: z.literal('scale'),
    web: z.int().min(1).max(mostWorkers).optional(),
    jobs: z.int().min(0).max(mostWorkers).optional(),
    wait,
  }),
  z.strictObject({ command: z.literal('drain'), id: z.string().max(300), wait }),
  /** The status, with how the workers have been of late and what this host was told to do. */
  z.strictObject({ command: z.literal('overview') }),
])

/** As it is sent; `wait` may be left out. */
export type ControlRequest = z.input<typeof requestSchema>
export type CheckedRequest = z.output<typeof requestSchema>
export type Command = ControlRequest['command']

export interface WorkerCounts {
  readonly web: number
  readonly jobs: number
}

/** `waiting`: its process has ended, and the next one is started after a pause. */
export const workerStates = ['starting', 'ready', 'draining', 'hung', 'waiting'] as const
export type WorkerState = (typeof workerStates)[number]

export interface WorkerStatus {
  /** As in X-Worker. While a worker is being replaced two processes have one id. */
  readonly id: string
  readonly kind: WorkerRole
  readonly pid: number | null
  readonly host: string
  readonly state: WorkerState
  /** Milliseconds since 1970, on the clock of its host. */
  readonly startedAt: number | null
  /** What is left of the coherence lease; null for those that hold none. */
  readonly leaseMs: number | null
  readonly cachedSessions: number | null
  readonly eventLoopLagMs: number | null
  readonly rssBytes: number | null
  /** Answered since the process started; null for those that answer none. */
  readonly requests: number | null
  /** The longest that a revocation asked of it took within the last seconds; null: there was none. */
  readonly revocationMs: number | null
  /** How often its place had to be filled again because a process ended unexpectedly. */
  readonly restarts: number | null
}

/** A place and how the processes there have been, oldest first; null where nothing was known. */
export interface RecentWorker extends Pick<WorkerStatus, 'id' | 'kind' | 'host'> {
  readonly requestsPerSecond: readonly (number | null)[]
  readonly eventLoopLagMs: readonly (number | null)[]
  readonly rssBytes: readonly (number | null)[]
  readonly cachedSessions: readonly (number | null)[]
  readonly revocationMs: readonly (number | null)[]
}

/** `overtaken`: a stop or another change of numbers came first. */
export const operationOutcomes = ['running', 'done', 'failed', 'overtaken'] as const
export type OperationOutcome = (typeof operationOutcomes)[number]

/** A reload, a change of numbers or a drain, for those who want to know what came of it. */
export interface Operation {
  readonly id: number
  readonly command: 'reload' | 'scale' | 'drain'
  /** The numbers, or the worker; null: all workers of the host. */
  readonly about: string | null
  /** How many workers it replaces; null for a change of numbers. */
  readonly workers: number | null
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number | null
  readonly outcome: OperationOutcome
  /** Why it failed. */
  readonly message: string | null
  /** How many workers have ended so far. */
  readonly replaced: number
  readonly steps: readonly {
    readonly at: number
    readonly step: 'starting' | 'ready' | 'draining' | 'ended'
    readonly worker: string
  }[]
}

/** What each command answers. */
export interface ControlResults {
  status: { readonly host: string; readonly workers: readonly WorkerStatus[] }
  overview: {
    readonly host: string
    readonly workers: readonly WorkerStatus[]
    readonly recent: { readonly everyMs: number; readonly workers: readonly RecentWorker[] }
    /** Of this host, newest first. */
    readonly operations: readonly Operation[]
  }
  /** The address is that of the embedded Redis; null: everybody finds the external one in the environment. */
  redis: {
    readonly embeddedUrl: string | null
    readonly durability: 'keep' | 'fence' | 'failover'
    /** The part of the names of keys that is the deployment's own. */
    readonly keySpace: string
  }
  reload: { readonly replaced: number }
  scale: WorkerCounts
  drain: { readonly id: string }
}

/**
 * Why something is not done: the request is not one, there is no such worker here, it must not be done, it was tried
 * and failed, or the server is on its way down.
 */
export type RefusalCode = 'invalid' | 'no-such-worker' | 'not-allowed' | 'failed' | 'stopping'

export type ControlAnswer<Result = unknown> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly code: RefusalCode; readonly message: string }

export function refusal(code: RefusalCode, message: string) {
  return { ok: false, code, message } as const
}

/** The request, or what is wrong with it, in words for whoever sent it. */
export function parseControlRequest(value: unknown): CheckedRequest | { readonly problem: string } {
  const parsed = requestSchema.safeParse(value)
  if (parsed.success) {
    const { data } = parsed
    const empty = data.command === 'scale' && data.web === undefined && data.jobs === undefined
    return empty ? { problem: 'scale: name the number of web or of jobs' } : data
  }
  const command = (value as { command?: unknown } | null)?.command
  const known = requestSchema.options.map(({ shape }) => shape.command.value)
  if (!known.includes(command as Command)) return { problem: `command must be one of ${known.join(', ')}` }
  return {
    problem: parsed.error.issues.map(({ path, message }) => [...path, message].join(': ')).join('; '),
  }
}

/** The place that an id names: `web-2`. */
export function parseWorkerId(id: string): { readonly role: WorkerRole; readonly slot: number } | null {
  const [, word, digits] = /^([a-z]+)-([1-9]\d{0,3})$/.exec(id) ?? []
  const role = workerRoles.find((known) => known === word)
  return role === undefined ? null : { role, slot: Number(digits) }
}
