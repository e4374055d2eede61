import type { Clock } from '../kernel/clock.ts'
import { clockToleranceMs } from './constants.ts'

/**
 * Notices afterwards that this machine stood still with both of its clocks, as a virtual machine that is paused or moved
 * to another host may: its own clocks can't tell, but more time has passed at Redis than here. A step of Redis' clock
 * looks the same, and costs a refresh.
 */
export function watchSuspension(clock: Clock) {
  let last: { readonly inc: string; readonly sentAt: number; readonly redisMs: number } | null = null

  return {
    /** Whether the machine stood still since the reply before this one; `sentAt` is when this one was asked for. */
    stoodStill({ inc, redisMs }: { inc: string; redisMs: number }, sentAt: number): boolean {
      const before = last
      last = { inc, sentAt, redisMs }
      // Another server has another clock.
      if (before?.inc !== inc) return false
      // At Redis from script to script; here from before the one to after the other, which is longer.
      return redisMs - before.redisMs > clock.mono() - before.sentAt + clockToleranceMs
    },
  }
}
