/**
 * Notices that Redis' clock has stepped. Charges are dated by that clock: a step forward forgets them too early (and
 * the limit would not hold), a step back too late. Each trip bounds the difference of the two clocks, for the answer
 * was dated between sending and receiving; bounds that contradict earlier ones are a step.
 *
 * What it can't see: steps smaller than the round trip, or than `drift` of the time since the last trip.
 */
export interface StepDetector {
  /** Whether Redis' clock has stepped since the last call. All in ms: Redis' clock, then this process' `mono`. */
  stepped(redisNow: number, sentAt: number, receivedAt: number): boolean
}

/** Two clocks that are being slewed differ in rate by no more than this. */
const drift = 0.001

export function createStepDetector(): StepDetector {
  let lowest = -Infinity
  let highest = Infinity
  let at = 0

  return {
    stepped(redisNow, sentAt, receivedAt) {
      // Redis' milliseconds are cut off: the true time is up to 1 ms later.
      const low = redisNow - receivedAt
      const high = redisNow + 1 - sentAt
      const slack = Math.max(0, receivedAt - at) * drift
      const contradicts = low > highest + slack || high < lowest - slack
      lowest = contradicts ? low : Math.max(low, lowest - slack)
      highest = contradicts ? high : Math.min(high, highest + slack)
      at = receivedAt
      return contradicts
    },
  }
}
