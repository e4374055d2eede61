/**
 * Decides from this worker's memory. Looking and charging are two steps, so that several claims can be looked at
 * before any of them is charged; nothing comes between the two, for neither waits.
 */
import type { Clock } from '../kernel/clock.ts'
import type { LimiterCounters } from './counters.ts'
import type { Admission, Refusal } from './decision.ts'
import { Unavailable } from '../kernel/errors.ts'
import { covers, type Denial, type Failure, type KeyState } from './key-state.ts'
import type { Outage } from './outage.ts'
import type { Terms } from './policy.ts'
import { dropEnded, spend } from './purse.ts'
import { createShare, type Share } from './share.ts'

/** What would happen to a claim now. `unknown`: Redis has to be asked. */
export type Standing = 'unlimited' | 'leased' | 'denied' | 'shared' | 'open' | 'unknown'

export interface Judge {
  /**
   * Throws `Unavailable` for what is closed while Redis does not answer: in an outage, or where the request to Redis for
   * this key has failed.
   */
  look(state: KeyState, cost: number, now: number, denial: Denial | null, failure?: Failure | null): Standing
  /** Charges what may be charged by its standing. */
  admit(state: KeyState, cost: number, now: number, standing: Standing): Admission
  refuse(state: KeyState, cost: number, now: number, denial: Denial | null): Refusal
}

export function createJudge(parts: {
  readonly clock: Clock
  readonly counters: LimiterCounters
  readonly outage: Outage
  /** How many workers share a limit during an outage. */
  readonly workers: () => number
  /** Tries in the background whether Redis is back. */
  readonly probe: (state: KeyState) => void
}): Judge {
  const { clock, counters, outage, workers, probe } = parts

  function lookWithoutRedis(
    state: KeyState,
    terms: Terms,
    cost: number,
    now: number,
    cause: unknown,
  ): Standing {
    switch (state.policy.onOutage) {
      case 'closed':
        throw new Unavailable('redis', { cause })
      case 'open':
        return 'open'
      case 'share': {
        const part = Math.floor(terms.limit / Math.max(1, workers()))
        return part - shareOf(state, terms).used(now) >= cost ? 'shared' : 'denied'
      }
    }
  }

  function shareOf(state: KeyState, terms: Terms): Share {
    return (state.share ??= createShare(terms.windowMs, terms.slotMs))
  }

  function waitWithoutDenial(state: KeyState, terms: Terms, now: number): number {
    return state.share !== null && state.policy.onOutage === 'share'
      ? state.share.waitMs(now)
      : terms.windowMs
  }

  return {
    look(state, cost, now, denial, failure = null) {
      const { terms, purse } = state
      if (terms === null) return 'unlimited'
      if (purse.balance > 0) counters.stranded += dropEnded(purse, now, clock)
      if (purse.balance >= cost) return 'leased'
      if (cost > terms.limit || covers(denial, cost, now)) return 'denied'
      if (failure) return lookWithoutRedis(state, terms, cost, now, failure.cause)
      if (!outage.active) return 'unknown'
      if (outage.probeDue()) probe(state)
      return lookWithoutRedis(state, terms, cost, now, outage.cause)
    },
    admit(state, cost, now, standing) {
      counters.admitted += 1
      state.asked += cost
      if (standing === 'leased') spend(state.purse, cost)
      else if (standing !== 'unlimited') counters.unledgered += cost
      if (standing === 'shared') state.share?.use(cost, now)
      return {
        allowed: true,
        policy: state.policy.name,
        limit: state.terms?.limit ?? Infinity,
        windowMs: state.terms?.windowMs ?? 0,
        remaining: state.free + state.purse.balance,
        at: now,
      }
    },
    refuse(state, cost, now, denial) {
      counters.denied += 1
      state.asked += cost
      const terms = state.terms as Terms
      const denied = covers(denial, cost, now)
      return {
        allowed: false,
        policy: state.policy.name,
        limit: terms.limit,
        windowMs: terms.windowMs,
        remaining: denied ? denial.free + state.purse.balance : 0,
        at: now,
        reason: denied ? denial.reason : 'limit',
        retryAfterMs: Math.ceil(denied ? denial.until - now : waitWithoutDenial(state, terms, now)),
      }
    },
  }
}
