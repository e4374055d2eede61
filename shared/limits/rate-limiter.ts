/**
 * Rate limits that hold across all workers and hosts: at most `limit` in *any* window, not in fixed ones, at memory
 * speed. A worker leases tokens from a ledger in Redis and uses them from its own memory (docs/limits.md has the
 * proof and the price). It holds while workers die, freeze or lose their connection, because a lease that nobody
 * uses stays charged. It does not hold over lost charges under `trust`, nor during an outage under `open`, and
 * under `share` only within the outage: those are what these policies mean.
 */
import { LRUCache } from 'lru-cache'
import type { Redis } from 'ioredis'
import type { Announcements } from '../coherence/index.ts'
import type { Clock } from '../kernel/clock.ts'
import { createCounters, type LimiterMetrics } from './counters.ts'
import { join, type JointDecision, type RateDecision, type Refusal } from './decision.ts'
import { Unavailable } from '../kernel/errors.ts'
import { createJudge } from './judge.ts'
import {
  covers,
  createKeyState,
  forgetDenial,
  askRule,
  useTerms,
  type Denial,
  type Failure,
  type KeyState,
} from './key-state.ts'
import { hashKey } from './keys.ts'
import { createLeasing } from './leasing.ts'
import { createLedgers } from './ledgers.ts'
import type { Service } from '../kernel/lifecycle.ts'
import { parseNotice, writeNotice } from './notice.ts'
import { createOutage } from './outage.ts'
import { checkPolicyName, termsOf, type LimitPolicy } from './policy.ts'
import type { RecordStanding } from './scripts.ts'

export interface RateLimiter extends Service {
  /**
   * Charges `cost` to the key, or nothing. Answers at once, without a promise, while this worker holds tokens for the
   * key or knows that there are none. Throws or rejects with `Unavailable` (503) during an outage under `closed`.
   */
  take(policy: string, key: string, cost?: number): RateDecision | Promise<RateDecision>
  /** What this worker knows to refuse, without asking Redis and without charging anything; null where it knows nothing. */
  knownRefusal(policy: string, key: string): Refusal | null
  /** Charges all of the claims, or none of them. */
  takeAll(claims: readonly Claim[]): JointDecision | Promise<JointDecision>
  /** Adds a policy, or replaces the one of this name from now on. On this worker: settings tell the others. */
  define(policy: LimitPolicy): void
  /** Removes a policy; a `take` from it throws from now on. */
  remove(policy: string): void
  /** The policies that are defined now. */
  policies(): readonly LimitPolicy[]
  /** What stands against the key, from the ledger. Null when the key is not limited. */
  inspect(policy: string, key: string): Promise<Inspection | null>
  /** Forgets what the key has used. Resolves when no worker remembers a denial of it any more, else `Unavailable`. */
  reset(policy: string, key: string): Promise<void>
  /** Makes every worker ask the policy's rule again, for one key or for all. Resolves and rejects like `reset`. */
  changed(policy: string, key?: string): Promise<void>
  /**
   * Declares a new installation: no charges can have been lost, so nothing is quarantined. Does nothing where there
   * has been a limiter before.
   */
  found(): Promise<void>
  /** What may have been lost of what was charged. Rejects with `Unavailable`. */
  standing(): Promise<RecordStanding>
  /** Takes for granted that nothing was lost, on every worker; whether that changed anything. */
  trust(): Promise<boolean>
  metrics(): LimiterMetrics
}

export interface Claim {
  readonly policy: string
  readonly key: string
  readonly cost?: number
}

export interface Inspection {
  readonly policy: string
  readonly limit: number
  readonly windowMs: number
  /** Admitted in the window, or leased by a worker that may still admit it. */
  readonly charged: number
  readonly remaining: number
  /** 0: it would be admitted now. */
  readonly retryAfterMs: number
  readonly quarantineMs: number
}

export interface RateLimiterOptions {
  readonly redis: Redis
  readonly clock: Clock
  readonly policies: readonly LimitPolicy[]
  /**
   * Tells the other workers of resets and changes; a denial that is remembered is believed under its lease only. Without
   * one no denial is remembered, and a change is heard of at the next trip.
   */
  readonly coherence?: Announcements
  /** Applications that share a Redis must use different ones. */
  readonly prefix?: string
  /** How many workers share a limit during an outage; needed by policies with `share`. */
  readonly workers?: () => number
  /** The longest that a decision waits for Redis; while an outage is suspected, a quarter of it. */
  readonly patienceMs?: number
  /** Keys that are remembered for each policy. */
  readonly maxKeys?: number
}

/** One policy as this worker keeps it. */
interface PolicyState {
  readonly policy: LimitPolicy
  readonly keys: LRUCache<string, KeyState>
}

/** A claim on its way to a decision. */
interface OpenClaim {
  readonly state: KeyState
  cost: number
  /** The answer that this claim has waited for. */
  denial: Denial | null
  /** The request to Redis for it has failed. */
  failure: Failure | null
  /** What was granted for it came too late to be used. */
  late: boolean
  /** Tokens were leased for it. */
  leased: boolean
}

function openClaim(state: KeyState, cost: number): OpenClaim {
  return { state, cost, denial: null, failure: null, late: false, leased: false }
}

export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const { redis, clock, coherence, workers, prefix, patienceMs = 1_000, maxKeys = 10_000 } = options
  const counters = createCounters()
  const outage = createOutage(clock)
  const patience = () => (outage.suspected ? patienceMs / 4 : patienceMs)
  const ledgers = createLedgers({ redis, clock, prefix, patienceMs: patience, counters })
  const leasing = createLeasing({ clock, ledgers, outage, counters })
  const judge = createJudge({
    clock,
    counters,
    outage,
    workers: workers ?? (() => 1),
    probe: (state) => void leasing.fill(state, 1),
  })
  const policies = new Map<string, PolicyState>()
  let stopped = false

  for (const policy of options.policies) define(policy)
  coherence?.follow(ledgers.keys.kind, {
    apply: applyNotice,
    refresh() {
      for (const { keys } of policies.values()) for (const state of keys.values()) startOver(state)
    },
  })

  /** What an announcement could have made untrue is not believed without the lease. */
  function remembered(state: KeyState): Denial | null {
    return state.denial !== null && coherence?.leaseOk() ? state.denial : null
  }

  function define(policy: LimitPolicy): void {
    checkPolicyName(policy.name)
    if (typeof policy.rule !== 'function') termsOf(policy.rule)
    if (policy.onOutage === 'share' && !workers) {
      throw new RangeError(
        `policy ${policy.name} shares its limit: the limiter must know among how many workers`,
      )
    }
    remove(policy.name)
    const keys = new LRUCache<string, KeyState>({ max: maxKeys, dispose: leasing.giveBack })
    policies.set(policy.name, { policy, keys })
  }

  function remove(name: string): void {
    policies.get(name)?.keys.clear()
    policies.delete(name)
  }

  function policyState(name: string): PolicyState {
    const known = policies.get(name)
    if (!known) throw new RangeError(`there is no limit policy ${name}`)
    return known
  }

  function stateOf(name: string, key: string): KeyState {
    const { policy, keys } = policyState(name)
    const known = keys.get(key)
    if (known) return known
    if (stopped) throw new Error('the rate limiter has been stopped')
    const state = createKeyState(policy, key, clock, ledgers.keys)
    keys.set(key, state)
    return state
  }

  function take(name: string, key: string, cost = 1): RateDecision | Promise<RateDecision> {
    checkCost(cost)
    const state = stateOf(name, key)
    const now = clock.mono()
    const denial = remembered(state)
    const standing = judge.look(state, cost, now, denial)
    if (standing === 'unknown') return settleOne(state, cost)
    if (standing === 'denied') return judge.refuse(state, cost, now, denial)
    return judge.admit(state, cost, now, standing)
  }

  function takeAll(claims: readonly Claim[]): JointDecision | Promise<JointDecision> {
    const open = openClaims(claims)
    const decisions = decide(open)
    return decisions ? join(decisions) : settle(open).then(join)
  }

  /** Claims on the same key are one claim of what they cost together. */
  function openClaims(claims: readonly Claim[]): OpenClaim[] {
    const open = new Map<KeyState, OpenClaim>()
    for (const { policy, key, cost = 1 } of claims) {
      checkCost(cost)
      const state = stateOf(policy, key)
      const same = open.get(state)
      if (same) same.cost += cost
      else open.set(state, openClaim(state, cost))
    }
    return [...open.values()]
  }

  /** Charges all claims when all can be; refuses, charging none, when one must be; null when Redis must be asked. */
  function decide(claims: readonly OpenClaim[]): RateDecision[] | null {
    const now = clock.mono()
    const looked = claims.map(({ state, cost, denial: answered, failure }) => {
      const denial = answered ?? remembered(state)
      return { state, cost, denial, standing: judge.look(state, cost, now, denial, failure) }
    })
    const denied = looked.filter(({ standing }) => standing === 'denied')
    if (denied.length > 0) {
      return denied.map(({ state, cost, denial }) => judge.refuse(state, cost, now, denial))
    }
    if (looked.some(({ standing }) => standing === 'unknown')) return null
    return looked.map(({ state, cost, standing }) => judge.admit(state, cost, now, standing))
  }

  /** The way of a single claim, which most are. */
  async function settleOne(state: KeyState, cost: number): Promise<RateDecision> {
    const claim = openClaim(state, cost)
    const giveUpAt = clock.mono() + patience()
    state.awaited += cost
    try {
      for (;;) {
        await fillClaim(claim)
        const now = clock.mono()
        const denial = claim.denial ?? remembered(state)
        const standing = judge.look(state, cost, now, denial, claim.failure)
        if (standing === 'denied') return judge.refuse(state, cost, now, denial)
        if (standing !== 'unknown') return judge.admit(state, cost, now, standing)
        if (stopped) throw new Unavailable('redis')
        if (now >= giveUpAt) giveUpLate([claim])
      }
    } finally {
      state.awaited -= cost
    }
  }

  /** Asks Redis until there is a decision. */
  async function settle(claims: readonly OpenClaim[]): Promise<RateDecision[]> {
    const giveUpAt = clock.mono() + patience()
    for (const { state, cost } of claims) state.awaited += cost
    try {
      for (;;) {
        await fillAll(claims)
        const decisions = decide(claims)
        if (decisions) {
          handBack(claims, decisions)
          return decisions
        }
        if (stopped) throw new Unavailable('redis')
        if (clock.mono() >= giveUpAt) giveUpLate(claims)
      }
    } finally {
      for (const { state, cost } of claims) state.awaited -= cost
    }
  }

  /** Not those that get something, be it that others took it: only where answers are too old for the window. */
  function giveUpLate(claims: readonly OpenClaim[]): void {
    const failure = { cause: new Error('Redis answers too slowly for a limit with such a window') }
    for (const claim of claims) if (claim.late) claim.failure ??= failure
  }

  /** Asks for all that is missing, at once. */
  async function fillAll(claims: readonly OpenClaim[]): Promise<void> {
    await Promise.all(claims.map(fillClaim))
  }

  async function fillClaim(claim: OpenClaim): Promise<void> {
    const { state, cost } = claim
    if (outage.active || claim.failure !== null) return
    if (state.terms === null || state.purse.balance >= cost) return
    const outcome = await leasing.fill(state, cost - state.purse.balance)
    claim.late = outcome === 'late'
    if (outcome === 'granted') claim.leased = true
    else if (outcome !== 'late') {
      if ('cause' in outcome) claim.failure = outcome
      else claim.denial = outcome
    }
  }

  /** Where one of several claims was refused, what was leased for the others is not needed here. */
  function handBack(claims: readonly OpenClaim[], decisions: readonly RateDecision[]): void {
    if (claims.length === 1 || decisions.every(({ allowed }) => allowed)) return
    for (const { state, leased } of claims) if (leased) leasing.giveBack(state)
  }

  function applyNotice(message: string): void {
    const notice = parseNotice(message)
    if (!notice) return
    for (const state of policies.get(notice.policy)?.keys.values() ?? []) {
      if (notice.hashedKey === null || notice.hashedKey === (state.hashedKey ??= hashKey(state.key)))
        startOver(state)
    }
  }

  function startOver(state: KeyState): void {
    forgetDenial(state)
    // The tokens of a ledger that was reset are charged nowhere any more.
    leasing.giveBack(state)
    state.share = null
    useTerms(state, askRule(state.policy, state.key))
    state.free = state.terms?.limit ?? 0
  }

  /** For how long a loss matters to any of the policies; to those that ask a function, for a minute at least. */
  function longestRecoveryMs(): number {
    const rules = [...policies.values()].map(({ policy: { rule } }) =>
      typeof rule === 'function' ? 'off' : rule,
    )
    const lasting = rules.map((rule) => {
      const terms = termsOf(rule)
      return terms ? terms.windowMs + terms.longestTermMs : 0
    })
    return Math.max(60_000, ...lasting)
  }

  async function announce(policy: string, hashedKey: string | null): Promise<void> {
    const notice = writeNotice({ policy, hashedKey })
    applyNotice(notice)
    await coherence?.announce(ledgers.keys.kind, notice)
  }

  return {
    take,
    takeAll,
    knownRefusal(name, key) {
      const state = policyState(name).keys.get(key)
      const denial = state ? remembered(state) : null
      const now = clock.mono()
      return state && covers(denial, 1, now) ? judge.refuse(state, 1, now, denial) : null
    },
    define,
    remove,
    policies: () => [...policies.values()].map(({ policy }) => policy),
    async inspect(name, key) {
      const { policy } = policyState(name)
      const terms = askRule(policy, key)
      if (terms === null) return null
      const { windowMs } = terms
      const ledger = ledgers.keys.ledger(name, terms, key)
      const { charged, limit, waitMs, quarantineMs } = await ledgers.inspect(ledger, terms, policy.onDataLoss)
      return {
        policy: name,
        limit,
        windowMs,
        charged,
        remaining: quarantineMs > 0 ? 0 : Math.max(0, limit - charged),
        retryAfterMs: Math.max(waitMs, quarantineMs),
        quarantineMs,
      }
    },
    async reset(name, key) {
      const terms = askRule(policyState(name).policy, key)
      const hashedKey = hashKey(key)
      if (terms) await ledgers.forget(ledgers.keys.ledger(name, terms, key), terms)
      await announce(name, hashedKey)
    },
    async changed(name, key) {
      policyState(name)
      await announce(name, key === undefined ? null : hashKey(key))
    },
    found: ledgers.found,
    standing: () => ledgers.standing(longestRecoveryMs()),
    trust: ledgers.trust,
    metrics: () => ({ ...counters, mode: outage.active ? 'outage' : 'ledger' }),
    async start() {},
    async stop(deadline) {
      stopped = true
      for (const { keys } of policies.values()) keys.clear()
      await leasing.drain(deadline)
    },
  }
}

function checkCost(cost: number): void {
  if (!Number.isSafeInteger(cost) || cost < 1) {
    throw new RangeError(`a cost must be a whole number from 1, not ${cost}`)
  }
}
