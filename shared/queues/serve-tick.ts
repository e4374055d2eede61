/**
 * What a tick of the clock leads to, by the schedule's own rules. Serving one tick twice is harmless: a worker
 * that dies in between leaves it to another one.
 */
import type { Redis } from 'ioredis'
import type { Log } from './job.ts'
import { defaultPrefix, scheduleKeys } from './keys.ts'
import type { Queues } from './queues.ts'
import type { ScheduleDefinition } from './schedule.ts'
import { recordTick } from './scripts.ts'
import { dueTicks, nextTick } from './ticks.ts'

/** A tick that no one took up for so long is missed, even when the next one is far away. */
export const defaultMissedAfterMs = 60_000

/** Which of the ticks from `tick` to `now` get a run, in order. */
export function ticksToRun(
  definition: ScheduleDefinition,
  tick: number,
  now: number,
  missedAfterMs = defaultMissedAfterMs,
): number[] {
  const { timing, misfire } = definition
  const most = typeof misfire === 'object' ? misfire.backfill + 1 : 1
  // A tick ahead of its time was sent by hand, from the dashboard.
  const due = dueTicks(timing, tick, Math.max(now, tick), most)
  const latest = due.at(-1)
  if (latest === undefined || misfire === 'run-once') return due
  const onTime = now - latest <= missedAfterMs
  if (misfire === 'skip') return onTime ? due : []
  return onTime ? due : due.slice(-misfire.backfill)
}

export interface TickServer {
  /** Serves this tick and those that came due since. Rejects when Redis can't be asked; then ask again. */
  serve(definition: ScheduleDefinition, tick: number): Promise<void>
}

export interface TickServerOptions {
  /** Short commands only. */
  readonly redis: Redis
  readonly queues: Queues
  readonly log: Log
  readonly prefix?: string
  /** Default 1 minute. */
  readonly missedAfterMs?: number
}

export function createTickServer(options: TickServerOptions): TickServer {
  const { redis, queues, log, prefix = defaultPrefix, missedAfterMs } = options
  const { served, paused } = scheduleKeys(prefix)

  return {
    async serve(definition, tick) {
      const schedule = definition.name
      const now = Date.now()
      const [lastServed, isPaused] = await Promise.all([
        redis.hget(served, `${schedule}:tick`),
        redis.sismember(paused, schedule),
      ])
      const last = Number(lastServed ?? 0)
      const first = tick > last ? tick : nextTick(definition.timing, last)
      if (first > tick && first > now) return
      if (isPaused) {
        // Served without a run: what comes due during a pause is not missed, it is not wanted.
        const [latest = first] = dueTicks(definition.timing, first, Math.max(now, first), 1)
        await recordTick(redis, served, { schedule, tick: latest, ran: false })
        return
      }
      for (const due of ticksToRun(definition, first, now, missedAfterMs)) {
        const ran = (await queues.addRun(definition, due)) === 'added'
        await recordTick(redis, served, { schedule, tick: due, ran })
        if (!ran) log.info({ schedule, tick: new Date(due) }, 'a tick was left out: the last run is not over')
      }
    },
  }
}
