import type { Clock } from '../kernel/clock.ts'
import { Unavailable } from '../kernel/errors.ts'

/**
 * Whether Redis is believed to be away: after several failures, each of a request that was sent after the one before
 * had failed. One slow turn of this process, or one key that can't be charged, is no outage. While it lasts nobody
 * waits for Redis: every answer comes from the policy at once, and now and then one request goes out in the background
 * to see whether it is back.
 */
export interface Outage {
  readonly active: boolean
  /** The last request failed: it may be one, and no one should wait for long. */
  readonly suspected: boolean
  /** Why, while active. */
  readonly cause: unknown
  /** A request that was sent at that moment failed. */
  failed(sentAt: number, cause: unknown): void
  end(): void
  /** True once in a while: time to try. */
  probeDue(): boolean
}

const failuresOfAnOutage = 3

export function createOutage(clock: Clock, probeEveryMs = 250): Outage {
  let failures = 0
  let lastFailureAt = -Infinity
  let cause: unknown = null
  let nextProbeAt = 0

  return {
    get active() {
      return failures >= failuresOfAnOutage
    },
    get suspected() {
      return failures > 0
    },
    get cause() {
      return cause
    },
    failed(sentAt, why) {
      // Redis has answered: what it refused for one key says nothing of the others, and no one had to wait for it.
      if (isReply(why)) return
      cause = why
      nextProbeAt = clock.mono() + probeEveryMs
      if (sentAt < lastFailureAt) return
      failures += 1
      lastFailureAt = clock.mono()
    },
    end() {
      failures = 0
      cause = null
    },
    probeDue() {
      if (clock.mono() < nextProbeAt) return false
      nextProbeAt = clock.mono() + probeEveryMs
      return true
    },
  }
}

/** ioredis names so what Redis itself answered. */
function isReply(why: unknown): boolean {
  const cause = why instanceof Unavailable ? why.cause : why
  return cause instanceof Error && cause.name === 'ReplyError'
}
