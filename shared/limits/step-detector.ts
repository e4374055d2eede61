/**
 * Notices that Redis' clock has stepped. Charges are dated by that clock: a step forward forgets them too early (and
 * the limit would not hold), a step back too late. Each trip bounds the difference of the two clocks, for the answer
 * was dated between sending and receiving; bounds that contradict earlier ones are a step.
 *
 * What it can't see: steps smaller than the round trip, or than `drift` of the time since the last trip.
 */
export interface StepDetector {
  /**
   * By how many milliseconds Redis' clock has been set forward since the last trip that agreed with those before it;
   * 0 when it was not. One that was set back is followed. All in ms: Redis' clock, then this process' `mono`.
   */
  steppedBy(redisNow: number, sentAt: number, receivedAt: number): number
  /** No earlier than this did Redis' clock show that time, on `mono`. */
  earliest(redisNow: number): number
  /** The clock is another one. */
  forget(): void
}

/** Two clocks that are being slewed differ in rate by no more than this. */
const drift = 0.001

export function createStepDetector(): StepDetector {
  let lowest = -Infinity
  let highest = Infinity
  let at = 0

  return {
    steppedBy(redisNow, sentAt, receivedAt) {
      // Redis' milliseconds are cut off: the true time is up to 1 ms later.
      const low = redisNow - receivedAt
      const high = redisNow + 1 - sentAt
      const slack = Math.max(0, receivedAt - at) * drift
      // What was known stays so: the report puts Redis' time back to where it would be.
      if (low > highest + slack) return Math.ceil(high - lowest)
      const setBack = high < lowest - slack
      lowest = setBack ? low : Math.max(low, lowest - slack)
      highest = setBack ? high : Math.min(high, highest + slack)
      at = receivedAt
      return 0
    },
    earliest: (redisNow) => redisNow - highest,
    forget() {
      lowest = -Infinity
      highest = Infinity
    },
  }
}
