/**
 * A schedule: when a job is asked for by the clock. What happens to ticks that no one was there to serve, and to
 * ticks that come while the last run is still going, is part of the declaration, since no default suits both a
 * nightly report and a heartbeat.
 */
import { createHash } from 'node:crypto'
import { isUsableName, isWhole, longestMs, type Backoff, type Job } from './job.ts'
import { checkPayload } from './payload.ts'
import { nextTick, type Timing } from './ticks.ts'

/**
 * What becomes of missed ticks. A tick is missed when no worker took it up before the next one was due, or within
 * a minute.
 *  - `run-once`: one run makes up for all of them.
 *  - `skip`: they are left out.
 *  - `backfill`: each gets its run, the latest `backfill` of them.
 */
export type Misfire = 'run-once' | 'skip' | { readonly backfill: number }

/** `forbid`: a tick that comes while a run of this schedule waits or works is left out. */
export type Overlap = 'allow' | 'forbid'

/** A schedule as it is kept in Redis: all that a worker needs to serve a tick, even one that was built earlier. */
export interface ScheduleDefinition {
  readonly name: string
  readonly job: string
  readonly data: unknown
  readonly timing: Timing
  readonly misfire: Misfire
  readonly overlap: Overlap
  readonly jitterMs: number
  readonly options: { readonly attempts: number; readonly backoff: Backoff; readonly priority: number }
}

export interface Schedule {
  readonly definition: ScheduleDefinition
  /** Changes with the definition. */
  readonly hash: string
}

interface ScheduleDescription<Stored> {
  /** Small letters, digits and hyphens. */
  readonly name: string
  readonly job: Job<Stored, never>
  /** The payload of each run. Default: no fields. */
  readonly data?: Stored
  /** IANA name of the place whose calendar counts. Default UTC. */
  readonly timezone?: string
  readonly misfire: Misfire
  readonly overlap: Overlap
  /** Each run starts up to this much after its tick, so that many hosts do not do the same at once. Default 0. */
  readonly jitterMs?: number
}

/** Checks the declaration of a schedule. Throws `TypeError` with everything that is wrong with it. */
export function defineSchedule<Stored>(
  description: ScheduleDescription<Stored> &
    /** `pattern`: cron with 5 fields, or 6 with seconds. `everyMs`: at every multiple of it since 1970. */
    ({ readonly pattern: string } | { readonly everyMs: number }),
): Schedule {
  const { name, job, timezone = 'UTC' } = description
  const timing: Timing =
    'everyMs' in description
      ? { everyMs: description.everyMs, timezone }
      : { pattern: description.pattern, timezone }
  const definition: ScheduleDefinition = {
    name,
    job: job.name,
    data: {},
    timing,
    misfire: description.misfire,
    overlap: description.overlap,
    jitterMs: description.jitterMs ?? 0,
    options: { attempts: job.attempts, backoff: job.backoff, priority: job.priority },
  }
  const problems = problemsOf(definition)
  let data: unknown
  try {
    data = checkPayload(job, description.data)
  } catch (failure) {
    problems.push((failure as Error).message)
  }
  if (problems.length > 0) throw new TypeError(`schedule ${JSON.stringify(name)}: ${problems.join('; ')}`)
  return scheduleOf({ ...definition, data })
}

function scheduleOf(definition: ScheduleDefinition): Schedule {
  const hash = createHash('sha256').update(JSON.stringify(definition)).digest('base64url')
  return Object.freeze({ definition: Object.freeze(definition), hash })
}

/** The pattern or the interval, for people. */
export function describeTiming(timing: Timing): string {
  return 'everyMs' in timing ? `every ${timing.everyMs} ms` : timing.pattern
}

function problemsOf(definition: ScheduleDefinition): string[] {
  const { timing, misfire, overlap, jitterMs } = definition
  const backfill = typeof misfire === 'object' ? misfire.backfill : null
  const everyMs = 'everyMs' in timing ? timing.everyMs : null
  const checks: readonly [ok: boolean, problem: string][] = [
    [isUsableName(definition.name), 'name it with small letters, digits and hyphens, at most 64'],
    [isTimezone(timing.timezone), `there is no timezone ${JSON.stringify(timing.timezone)}`],
    [
      misfire === 'run-once' || misfire === 'skip' || (backfill !== null && isWhole(backfill, 1, 1_000)),
      "misfire is 'run-once', 'skip' or { backfill: 1 to 1000 }",
    ],
    [overlap === 'allow' || overlap === 'forbid', "overlap is 'allow' or 'forbid'"],
    [
      backfill === null || overlap === 'allow',
      'backfill needs overlap: allow, since forbid would leave out all but the first',
    ],
    [isWhole(jitterMs, 0, longestMs), 'jitterMs must be whole milliseconds'],
    [everyMs === null || jitterMs < everyMs, 'jitterMs must be less than everyMs'],
  ]
  const problems = checks.filter(([ok]) => !ok).map(([, problem]) => problem)
  return isTimezone(timing.timezone) ? [...problems, ...timingProblems(timing)] : problems
}

function timingProblems(timing: Timing): string[] {
  if ('everyMs' in timing) {
    return isWhole(timing.everyMs, 100, longestMs) ? [] : ['everyMs must be 100 or more, and at most a year']
  }
  const { pattern } = timing
  // cron-parser takes fewer fields too, and an empty text as "every minute".
  if (typeof pattern !== 'string' || ![5, 6].includes(pattern.trim().split(/\s+/).length)) {
    return ['pattern must have 5 fields (minute hour day month weekday), or 6 with seconds first']
  }
  try {
    nextTick(timing, Date.now())
    return []
  } catch (cause) {
    return [`pattern: ${(cause as Error).message}`]
  }
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone.length > 0
  } catch {
    return false
  }
}
