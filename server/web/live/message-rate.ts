/** A bound on the messages of one connection: a bucket of tokens that fills steadily. */
export function createMessageRate({ perSecond = 100, burst = 200 } = {}) {
  let tokens = burst
  let filledAt = performance.now()
  return {
    /** Whether one more may come now. */
    allows(): boolean {
      const now = performance.now()
      tokens = Math.min(burst, tokens + ((now - filledAt) / 1_000) * perSecond)
      filledAt = now
      if (tokens < 1) return false
      tokens -= 1
      return true
    },
  }
}
