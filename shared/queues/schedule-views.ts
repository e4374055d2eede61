import type { Redis } from 'ioredis'
import { Unavailable } from '../kernel/errors.ts'
import { defaultPrefix } from './keys.ts'
import { openScheduleStore } from './schedule-store.ts'
import { describeTiming, type Misfire, type Overlap } from './schedule.ts'
import { nextTicks } from './ticks.ts'

/** A schedule for people to look at. */
export interface ScheduleView {
  readonly name: string
  readonly job: string
  /** The cron pattern, or the interval. */
  readonly pattern: string
  readonly timezone: string
  /** The next five ticks, as they will really happen around a change of the clocks. */
  readonly next: readonly Date[]
  /** The last tick that was given a run. */
  readonly lastRun: Date | null
  readonly misfire: string
  readonly overlap: Overlap
  /** Its ticks get no run until it is resumed. */
  readonly paused: boolean
}

export interface ScheduleViews {
  /** What is in force, by name. Rejects with `Unavailable` when Redis can't be asked. */
  list(): Promise<ScheduleView[]>
}

/** Reads schedules from any process that reaches Redis, without declaring or changing any. */
export function createScheduleViews(options: { redis: Redis; prefix?: string }): ScheduleViews {
  const store = openScheduleStore(options.redis, options.prefix ?? defaultPrefix)
  return {
    async list() {
      const [{ byName }, served, paused] = await Promise.all([
        store.applied(),
        store.served(),
        store.paused(),
      ]).catch((cause) => {
        throw new Unavailable('redis', { cause })
      })
      const names = [...byName].sort(([a], [b]) => (a < b ? -1 : 1))
      return names.map(([name, { definition }]) => {
        const { lastRun } = served(name)
        return {
          name,
          job: definition.job,
          pattern: describeTiming(definition.timing),
          timezone: definition.timing.timezone,
          next: nextTicks(definition.timing, Date.now(), 5).map((tick) => new Date(tick)),
          lastRun: lastRun === null ? null : new Date(lastRun),
          misfire: describeMisfire(definition.misfire),
          overlap: definition.overlap,
          paused: paused.has(name),
        }
      })
    },
  }
}

function describeMisfire(misfire: Misfire): string {
  return typeof misfire === 'object' ? `backfill(${misfire.backfill})` : misfire
}
