import type { Clock } from '../kernel/clock.ts'
import type { DenialReason } from './decision.ts'
import type { LimitKeys } from './keys.ts'
import { termsOf, type LimitPolicy, type Terms } from './policy.ts'
import { createPurse, type Purse } from './purse.ts'
import type { Share } from './share.ts'

/** What this worker knows of one key of one policy. Times are on `mono`. */
export interface KeyState {
  readonly policy: LimitPolicy
  readonly key: string
  readonly purse: Purse
  /** Null: not limited. */
  terms: Terms | null
  /** Under these terms; made once, since the way of a hit hashes nothing. Empty without a limit. */
  ledgerKey: string
  readonly keys: LimitKeys
  /** For announcements, when one was heard. */
  hashedKey: string | null
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

export function createKeyState(policy: LimitPolicy, key: string, clock: Clock, keys: LimitKeys): KeyState {
  const terms = askRule(policy, key)
  return {
    policy,
    key,
    purse: createPurse(),
    terms,
    ledgerKey: ledgerKeyOf(policy, key, terms, keys),
    keys,
    hashedKey: null,
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

/** Terms of one rule that does not depend on the key are one object, so that they are told apart by identity. */
const fixedTerms = new WeakMap<LimitPolicy, Terms | null>()

export function askRule(policy: LimitPolicy, key: string): Terms | null {
  const { rule } = policy
  if (typeof rule === 'function') return termsOf(rule(key))
  let terms = fixedTerms.get(policy)
  if (terms === undefined) fixedTerms.set(policy, (terms = termsOf(rule)))
  return terms
}

/** Other terms from now on. */
export function useTerms(state: KeyState, terms: Terms | null): void {
  if (terms?.windowMs !== state.terms?.windowMs) {
    state.ledgerKey = ledgerKeyOf(state.policy, state.key, terms, state.keys)
  }
  state.terms = terms
}

function ledgerKeyOf({ name }: LimitPolicy, key: string, terms: Terms | null, keys: LimitKeys): string {
  return terms === null ? '' : keys.ledger(name, terms, key)
}

export function covers(denial: Denial | null, cost: number, now: number): denial is Denial {
  return denial !== null && cost > denial.free && now < denial.until
}

export function forgetDenial(state: KeyState): void {
  state.denial = null
  state.version += 1
}
