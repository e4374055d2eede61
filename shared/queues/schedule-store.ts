/** The schedules as they are kept in Redis, which is what is in force. */
import type { Redis } from 'ioredis'
import { scheduleKeys } from './keys.ts'
import type { Schedule, ScheduleDefinition } from './schedule.ts'

// Not `@release`, where earlier versions kept when a process was started: no build is newer than that.
const releaseField = '@build'
const confirmedField = '@confirmed'

export interface AppliedSchedules {
  /** Of which release they are; 0 when there are none. */
  readonly release: number
  /** When a process of that release has last found them as it declares them; null when that is not known. */
  readonly confirmedAt: number | null
  readonly byName: ReadonlyMap<string, Schedule>
}

/** When a schedule was last served, in milliseconds since 1970. */
export interface ServedTicks {
  readonly lastTick: number | null
  readonly lastRun: number | null
}

export function openScheduleStore(redis: Redis, prefix: string) {
  const keys = scheduleKeys(prefix)
  return {
    async applied(): Promise<AppliedSchedules> {
      const fields = await redis.hgetall(keys.applied)
      const { [releaseField]: release = '0', [confirmedField]: confirmed, ...entries } = fields
      const byName = new Map<string, Schedule>()
      for (const [name, text] of Object.entries(entries)) {
        const schedule = parseSchedule(text)
        // What can't be read counts as absent, and is written anew at the next reconciliation.
        if (schedule) byName.set(name, schedule)
      }
      const confirmedAt = confirmed === undefined ? null : Number(confirmed)
      return { release: Number(release), confirmedAt, byName }
    },

    async apply(schedule: Schedule): Promise<void> {
      await redis.hset(keys.applied, schedule.definition.name, JSON.stringify(schedule))
    },

    async pause(name: string): Promise<void> {
      await redis.sadd(keys.paused, name)
    },

    async resume(name: string): Promise<void> {
      await redis.srem(keys.paused, name)
    },

    async paused(): Promise<ReadonlySet<string>> {
      return new Set(await redis.smembers(keys.paused))
    },

    async remove(name: string): Promise<void> {
      await redis.srem(keys.paused, name)
      await redis.hdel(keys.applied, name)
      await redis.hdel(keys.served, `${name}:tick`, `${name}:run`)
    },

    async confirm(release: number): Promise<void> {
      await redis.hset(keys.applied, { [releaseField]: release, [confirmedField]: Date.now() })
    },

    async served(): Promise<(name: string) => ServedTicks> {
      const fields = await redis.hgetall(keys.served)
      const time = (field: string) => (fields[field] === undefined ? null : Number(fields[field]))
      return (name) => ({ lastTick: time(`${name}:tick`), lastRun: time(`${name}:run`) })
    },
  }
}

export type ScheduleStore = ReturnType<typeof openScheduleStore>

function parseSchedule(text: string): Schedule | null {
  try {
    const { hash, definition } = JSON.parse(text) as Partial<Schedule>
    return typeof hash === 'string' && isDefinition(definition) ? { hash, definition } : null
  } catch {
    return null
  }
}

/** Enough to serve and show it; the hash says whether it is as it was written. */
export function isDefinition(value: unknown): value is ScheduleDefinition {
  const { name, job, timing, options } = (value ?? {}) as Partial<ScheduleDefinition>
  return typeof name === 'string' && typeof job === 'string' && Boolean(timing) && Boolean(options)
}
