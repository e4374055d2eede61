/** What a limiter did since it was made. Counts of tokens, unless said otherwise. Plain numbers, to be read only. */
export interface LimiterCounters {
  /** Granted by Redis. */
  leased: number
  /** Granted, but not used within their term. */
  stranded: number
  /** Granted by an answer that came too late to be used. */
  burned: number
  /** Given back to Redis. */
  refunded: number
  /** Scripts that were sent to Redis. */
  trips: number
  /** Trips that failed or were not answered in time. */
  failures: number
  /** Times that Redis' clock was seen to step. */
  clockSteps: number
  /** Decisions. */
  admitted: number
  denied: number
  /** Admissions that no ledger knows of: `open` and `share` during an outage. */
  unledgered: number
}

export interface LimiterMetrics extends Readonly<LimiterCounters> {
  /** `outage`: Redis does not answer, and the policies decide. */
  readonly mode: 'ledger' | 'outage'
}

export function createCounters(): LimiterCounters {
  return {
    leased: 0,
    stranded: 0,
    burned: 0,
    refunded: 0,
    trips: 0,
    failures: 0,
    clockSteps: 0,
    admitted: 0,
    denied: 0,
    unledgered: 0,
  }
}
