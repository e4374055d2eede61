/**
 * How long a trip to Redis takes from here, with the time that this process is too busy to look at the answer. Rises
 * at once and falls slowly: terms that are too short burn every grant, terms that are too long cost a little quota.
 */
export interface LinkMeter {
  note(tripMs: number): void
  readonly tripMs: number
}

const rise = 0.5
const fall = 0.05

export function createLinkMeter(): LinkMeter {
  let average = 0
  return {
    note(tripMs) {
      average += (tripMs - average) * (tripMs > average ? rise : fall)
    },
    get tripMs() {
      return average
    },
  }
}
