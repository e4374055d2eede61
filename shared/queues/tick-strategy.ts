import type { RepeatStrategy } from 'bullmq'
import { nextTick, type Timing } from './ticks.ts'

/**
 * How a timing is written down in BullMQ's scheduler. Intervals go as a pattern of ours too: BullMQ's own run at
 * once when they are made, and shift when they are changed.
 */
export function repeatOptions(timing: Timing): { pattern: string; tz: string } {
  return {
    pattern: 'everyMs' in timing ? `every ${timing.everyMs}` : timing.pattern,
    tz: timing.timezone,
  }
}

/** Given to every queue and worker of ticks: BullMQ asks it for the tick after `millis`. */
export const ticksByOurClock: RepeatStrategy = (millis, { pattern = '', tz: timezone = 'UTC' }) => {
  const everyMs = /^every (\d+)$/.exec(pattern)?.[1]
  return nextTick(everyMs ? { everyMs: Number(everyMs), timezone } : { pattern, timezone }, millis)
}
