import type { Clock } from '../kernel/clock.ts'

/**
 * Whether Redis is believed to be away. While it is, nobody waits for it: every answer comes from the policy at once,
 * and now and then one request to Redis goes out in the background to see whether it is back.
 */
export interface Outage {
  readonly active: boolean
  /** Why, while active. */
  readonly cause: unknown
  begin(cause: unknown): void
  end(): void
  /** True once in a while: time to try. */
  probeDue(): boolean
}

export function createOutage(clock: Clock, probeEveryMs = 250): Outage {
  let active = false
  let cause: unknown = null
  let nextProbeAt = 0

  return {
    get active() {
      return active
    },
    get cause() {
      return cause
    },
    begin(why) {
      active = true
      cause = why
      nextProbeAt = clock.mono() + probeEveryMs
    },
    end() {
      active = false
      cause = null
    },
    probeDue() {
      if (clock.mono() < nextProbeAt) return false
      nextProbeAt = clock.mono() + probeEveryMs
      return true
    },
  }
}
