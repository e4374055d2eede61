import type { Clock } from '../kernel/clock.ts'
import type { DenialReason } from './decision.ts'
import { hashKey } from './keys.ts'
import { termsOf, type LimitPolicy, type Terms } from './policy.ts'
import { createPurse, type Purse } from './purse.ts'
import type { Share } from './share.ts'

/** What this worker knows of one key of one policy. Times are on `mono`. */
export interface KeyState {
  readonly policy: LimitPolicy
  readonly key: string
  /** Made once: the way of a hit hashes nothing. */
  readonly hashedKey: string
  readonly purse: Purse
  /** Null: not limited. */
  terms: Terms | null
  /** Left in the ledger at the last answer. */
  free: number
  denial: Denial | null
  /** The request to Redis that is under way, with what it may bring. */
  filling: Promise<Filled> | null
  /** Tokens that decisions under way wait for. */
  awaited: number
  /** Tokens asked for, and decided, since `askedSince`. */
  asked: number
  askedSince: number
  /** Grows with each reset: what was asked before one must not be remembered after it. */
  version: number
  /** What was admitted without a ledger, while Redis was away. */
  share: Share | null
}

/** Redis has said no. */
export interface Denial {
  readonly until: number
  /** A cost up to this was not denied. */
  readonly free: number
  readonly reason: DenialReason
}

/** Redis has not said anything, or nothing that we understood. */
export interface Failure {
  readonly cause: unknown
}

/** What came of a request to Redis: what it granted came too late to be used, it was refused, or it failed. */
export type Filled = 'granted' | 'late' | Denial | Failure

export function createKeyState(policy: LimitPolicy, key: string, clock: Clock): KeyState {
  const terms = termsFor(policy, key)
  return {
    policy,
    key,
    hashedKey: hashKey(key),
    purse: createPurse(),
    terms,
    free: terms?.limit ?? 0,
    denial: null,
    filling: null,
    awaited: 0,
    asked: 0,
    askedSince: clock.mono(),
    version: 0,
    share: null,
  }
}

export function termsFor({ rule }: LimitPolicy, key: string): Terms | null {
  return termsOf(typeof rule === 'function' ? rule(key) : rule)
}

export function covers(denial: Denial | null, cost: number, now: number): denial is Denial {
  return denial !== null && cost > denial.free && now < denial.until
}

export function forgetDenial(state: KeyState): void {
  state.denial = null
  state.version += 1
}
