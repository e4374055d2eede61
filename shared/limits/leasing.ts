/**
 * How a worker gets tokens from the ledgers and gives back those that it will not use. One request at a time for a
 * key; a grant that arrives after its term, or after a reset of its key, is burned: given back without having been
 * usable for a moment.
 */
import type { Clock } from '../kernel/clock.ts'
import type { LimiterCounters } from './counters.ts'
import { askRule, useTerms, type Denial, type Filled, type KeyState } from './key-state.ts'
import { createLeaseRequests, type LeaseRequest } from './lease-requests.ts'
import type { Grant, Ledgers, Trip } from './ledgers.ts'
import { remaining, type Deadline } from '../kernel/lifecycle.ts'
import type { Outage } from './outage.ts'
import { withPatience } from './patience.ts'
import { tripsOfATerm, type LimitPolicy, type Terms } from './policy.ts'
import { addLease, empty } from './purse.ts'
import type { LeaseAnswer, LeaseClaim, LeaseTerms } from './scripts.ts'

export interface Leasing {
  /**
   * Asks Redis for at least `need` tokens, or waits for the request that is under way. A denial is one that still holds:
   * one that a reset has overtaken is `granted`, and has to be asked for again.
   */
  fill(state: KeyState, need: number): Promise<Filled>
  /** Gives all that is held for the key back to its ledger. */
  giveBack(state: KeyState): void
  /** Nothing is kept any more. Resolves when what is under way has come back, at the deadline at the latest. */
  drain(deadline: Deadline): Promise<void>
}

/** A worker gets at most this part of what is left: chunks shrink towards the limit. */
const chunkDivisor = 4
/** How much of the demand of one term is leased ahead. Less than all, so that little strands when demand ebbs. */
const leaseAhead = 0.75
/** How fast leases grow towards that: one burst is no proof of more to come, but a hot key must get there. */
const growth = 2
/** Clocks differ in rate: a term ends this much earlier by ours. */
const termSafety = 0.998

const nothingToAsk = Promise.resolve('granted' as const)

export function createLeasing(parts: {
  readonly clock: Clock
  readonly ledgers: Ledgers
  readonly outage: Outage
  readonly counters: LimiterCounters
}): Leasing {
  const { clock, ledgers, outage, counters } = parts
  const underway = new Set<Promise<unknown>>()
  const requests = createLeaseRequests(ledgers, { claim, granted, failed, late })
  const sent = new WeakMap<LimitPolicy, { readonly terms: Terms; readonly leased: LeaseTerms }>()
  let draining = false

  function fill(state: KeyState, need: number): Promise<Filled> {
    if (state.filling) return state.filling
    refreshTerms(state)
    const { terms, version } = state
    if (terms === null) return nothingToAsk
    return (state.filling = new Promise((resolve) => {
      requests.send({ state, terms, need, version, askedAt: clock.mono(), resolve })
    }))
  }

  function claim({ state, terms, need }: LeaseRequest): LeaseClaim {
    const want = Math.max(need, state.awaited) + demandAhead(state, terms)
    return { ledger: state.ledgerKey, terms: termsFor(state, terms), want, need }
  }

  function granted(
    { state, version, terms }: LeaseRequest,
    { terms: { extraMs } }: LeaseClaim,
    answer: LeaseAnswer,
    grant: Grant,
    trip: Trip<unknown>,
  ): Filled {
    state.filling = null
    outage.end()
    counters.leased += grant.tokens
    if (trip.stepped || state.version !== version || draining) {
      burn(grant)
      return 'granted'
    }
    return learn(state, answer) ?? keep(state, grant, trip, terms.termMs + extraMs)
  }

  function failed({ state, askedAt }: LeaseRequest, cause: unknown): Filled {
    state.filling = null
    outage.failed(askedAt, cause)
    return { cause }
  }

  function late(grant: Grant): void {
    counters.leased += grant.tokens
    burn(grant)
  }

  /**
   * Grants are dated by Redis: an answer that took long, or waited here while we were busy, is used as long as the term
   * lasts that it was charged for.
   */
  function keep(
    state: KeyState,
    grant: Grant,
    { datedAt, datedAtWall }: Trip<unknown>,
    termMs: number,
  ): Filled {
    const until = datedAt + termMs * termSafety
    if (clock.mono() >= until) {
      burn(grant)
      return 'late'
    }
    addLease(state.purse, { grant, until, untilWall: datedAtWall + termMs, tokens: grant.tokens })
    return 'granted'
  }

  /** The same object for all keys that are asked for under the same terms. */
  function termsFor({ policy }: KeyState, terms: Terms): LeaseTerms {
    const extraMs = extraOf(terms)
    const known = sent.get(policy)
    if (known?.terms === terms && known.leased.extraMs === extraMs) return known.leased
    const { limit, keepMs, slotMs, windowMs, longestTermMs } = terms
    const leased = {
      limit,
      keepMs,
      slotMs,
      extraMs,
      divisor: chunkDivisor,
      onDataLoss: policy.onDataLoss,
      recoverMs: windowMs + longestTermMs,
    }
    sent.set(policy, { terms, leased })
    return leased
  }

  /**
   * By how much a term is longer than usual: where trips take long, up to a quarter of the window. What is used later
   * counts for so much longer, in whole slots.
   */
  function extraOf({ termMs, longestTermMs, slotMs }: Terms): number {
    const wanted = tripsOfATerm * ledgers.tripMs - termMs
    return wanted <= 0 ? 0 : Math.min(Math.ceil(wanted / slotMs) * slotMs, longestTermMs - termMs)
  }

  function learn(state: KeyState, answer: LeaseAnswer): Denial | null {
    state.free = answer.free
    state.denial = null
    if (answer.granted > 0) return null
    const denial: Denial = {
      until: clock.mono() + answer.waitMs,
      free: answer.free,
      reason: answer.quarantined ? 'quarantine' : 'limit',
    }
    state.denial = denial
    return denial
  }

  /** What the demand of late will ask for soon; at most twice of what it asked for since the last request. */
  function demandAhead(state: KeyState, terms: Terms): number {
    const now = clock.mono()
    const rate = state.asked / Math.max(1, now - state.askedSince)
    const ahead = Math.floor(Math.min(growth * state.asked, rate * terms.termMs * leaseAhead))
    state.asked = 0
    state.askedSince = now
    return ahead
  }

  function refreshTerms(state: KeyState): void {
    if (typeof state.policy.rule !== 'function') return
    const terms = askRule(state.policy, state.key)
    if (terms?.windowMs !== state.terms?.windowMs) giveBack(state)
    useTerms(state, terms)
  }

  function giveBack(state: KeyState): void {
    for (const { grant, tokens } of empty(state.purse)) {
      if (tokens > 0) void track(ledgers.giveBack({ ...grant, tokens }))
    }
  }

  function burn(grant: Grant): void {
    if (grant.tokens === 0) return
    counters.burned += grant.tokens
    void track(ledgers.giveBack(grant))
  }

  function track<T>(work: Promise<T>): Promise<T> {
    underway.add(work)
    const forget = () => underway.delete(work)
    work.then(forget, forget)
    return work
  }

  async function allDone(): Promise<void> {
    // What is under way may start more: an answer that comes too late is given back.
    await requests.idle()
    while (underway.size > 0) await Promise.allSettled(underway)
  }

  return {
    fill,
    giveBack,
    async drain(deadline) {
      draining = true
      await withPatience(allDone(), remaining(deadline), () => {}).catch(() => {})
    },
  }
}
