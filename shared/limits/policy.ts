/**
 * What a limit is: who may do how much in any window of time, and what holds while Redis can't say.
 */

/** At most `limit` in any window of `windowMs`, or no limit. A limit of 0 admits nothing. */
export type LimitRule = { readonly limit: number; readonly windowMs: number } | 'off'

/**
 * What happens while Redis does not answer: `closed` refuses with `Unavailable` (503), `open` admits everything,
 * `share` lets each worker admit its part of the limit from its own memory.
 */
export type OnOutage = 'closed' | 'open' | 'share'

/**
 * What happens after Redis has lost charges (a flush, a failover), until nothing lost can matter any more: `quarantine`
 * admits nothing, `lower` takes what can have been lost off the limit, up to a half of it for each loss, and `trust`
 * goes on as if nothing had been lost.
 */
export type OnDataLoss = 'quarantine' | 'lower' | 'trust'

export interface LimitPolicy {
  /** Shown in headers, metrics and the keys in Redis: `[a-z0-9._-]`. */
  readonly name: string
  /**
   * How much; a function gives each key its own. It is asked when a worker first meets the key, at each trip to
   * Redis, and after `changed`.
   */
  readonly rule: LimitRule | ((key: string) => LimitRule)
  readonly onOutage: OnOutage
  readonly onDataLoss: OnDataLoss
}

/** A rule as the ledger keeps it. All times in whole milliseconds. */
export interface Terms {
  readonly limit: number
  readonly windowMs: number
  /** How long a worker may use what it was granted (T). */
  readonly termMs: number
  /** The resolution of the ledger (S). */
  readonly slotMs: number
  /** How long a charge counts: window and term. */
  readonly keepMs: number
  /** A term may be longer where trips to Redis take long, up to this; such charges count for so much longer. */
  readonly longestTermMs: number
}

/** Ledgers count in 4 bytes. */
const largestLimit = 1_000_000_000
const shortestWindowMs = 100
const longestWindowMs = 366 * 86_400_000

/** Tokens that a worker holds and does not need are missing elsewhere: not for long, however long the window. */
const longestTerm = 5_000

/**
 * The terms of a rule, null for `off`. `fixedTermMs` replaces the default, a 20th of the window and longer where needed. Throws `RangeError`
 * for a rule that can't be kept.
 */
export function termsOf(rule: LimitRule, fixedTermMs?: number): Terms | null {
  if (rule === 'off') return null
  const { limit, windowMs } = rule
  if (!Number.isSafeInteger(limit) || limit < 0 || limit > largestLimit) {
    throw new RangeError(`a limit must be a whole number from 0 to ${largestLimit}, not ${limit}`)
  }
  if (!Number.isSafeInteger(windowMs) || windowMs < shortestWindowMs || windowMs > longestWindowMs) {
    throw new RangeError(`a window must last ${shortestWindowMs} ms to 366 days, not ${windowMs} ms`)
  }
  const termMs = fixedTermMs ?? Math.min(longestTerm, Math.floor(windowMs / 20))
  const slotMs = Math.max(1, Math.floor(windowMs / 32))
  const longestTermMs = fixedTermMs ?? Math.max(termMs, Math.min(longestTerm, Math.floor(windowMs / 4)))
  return { limit, windowMs, termMs, slotMs, keepMs: windowMs + termMs, longestTermMs }
}

/**
 * Which part of a limit can be used under a lasting flood, where a trip to Redis takes so long: charges count longer than
 * the window.
 */
export function usableShare({ windowMs, termMs, slotMs, longestTermMs }: Terms, tripMs: number): number {
  const term = Math.max(termMs, Math.min(tripsOfATerm * tripMs, longestTermMs))
  return windowMs / (windowMs + term + slotMs)
}

/** A term lasts at least so many trips: an answer that is late by our standards is still of use. */
export const tripsOfATerm = 4

/** Throws `RangeError` for a name that can't be shown in a header or used in a key. */
export function checkPolicyName(name: string): void {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) {
    throw new RangeError(`a policy needs a name of a-z, 0-9, '.', '_' and '-', not ${JSON.stringify(name)}`)
  }
}
