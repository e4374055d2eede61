/**
 * Guards a sign-in against guessing, across all workers: a guess is reserved in Redis before the password is hashed,
 * so that however many arrive at once, no more are tried than the limits allow.
 *
 * An address (an IPv6 network) that guesses too much is blocked: for every account (`login-ip`), or for the one that
 * it guesses at (`login-account`). The account itself is never locked, for then strangers could lock its owner out.
 * From its limit on it slows down: each address waits before a guess at it is tried, longer with each further guess,
 * but at most `longestDelayMs`, whatever the strangers do. Accounts that don't exist are treated the same. While
 * Redis can't be asked, nothing is tried.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { addressKey } from './address.ts'
import type { Clock } from '../kernel/clock.ts'
import { createCounters, type LimiterMetrics } from './counters.ts'
import { Unavailable } from '../kernel/errors.ts'
import { hashKey } from './keys.ts'
import { createLedgers, type Grant } from './ledgers.ts'
import { termsOf, type LimitRule, type OnDataLoss, type Terms } from './policy.ts'
import { attempt, type AttemptAnswer } from './scripts.ts'

export interface LoginGuard {
  /** Reserves one guess. Rejects with `Unavailable` when Redis can't say. */
  attempt(guess: Guess): Promise<LoginAttempt>
  /** What stands against an address or an account. Null when there is no such limit. Rejects with `Unavailable`. */
  inspect(
    policy: LoginPolicy,
    key: string,
  ): Promise<{ readonly limit: number; readonly charged: number } | null>
  /**
   * Forgets the guesses of an address, or those at an account from all addresses; effective at once on every worker,
   * for none remembers any. Rejects with `Unavailable`.
   */
  reset(policy: LoginPolicy, key: string): Promise<void>
  metrics(): LimiterMetrics
}

export interface Guess {
  readonly ip: string
  /** In one spelling only: each other spelling would have a limit of its own. */
  readonly account: string
}

export type LoginPolicy = 'login-ip' | 'login-account'

export type LoginAttempt =
  | {
      readonly allowed: true
      /** The guess was right, or was not tried after all: it does not count. Never rejects; counts once. */
      refund(): Promise<void>
    }
  | {
      readonly allowed: false
      /** `delayed`: guesses at this account have to wait. `quarantine`: Redis lost charges, nobody is to blame. */
      readonly reason: 'limit' | 'delayed' | 'quarantine'
      readonly retryAfterMs: number
      readonly violated: readonly LoginPolicy[]
    }

export interface LoginGuardOptions {
  readonly redis: Redis
  readonly clock: Clock
  readonly ip: LimitRule
  readonly account: LimitRule
  readonly onDataLoss?: OnDataLoss
  readonly prefix?: string
  readonly patienceMs?: number
  /** The wait for the first guess beyond an account's limit; it doubles with each further one. */
  readonly firstDelayMs?: number
  readonly longestDelayMs?: number
  /** Delays up to this are waited for here; longer ones are answered with `delayed`. */
  readonly holdMs?: number
  /** How many guesses are held at a time: a flood must not fill the worker with waiting requests. */
  readonly maxHeld?: number
}

export function createLoginGuard(options: LoginGuardOptions): LoginGuard {
  const { redis, clock, onDataLoss = 'quarantine', prefix, patienceMs = 1_000 } = options
  const { firstDelayMs = 1_000, longestDelayMs = 30_000, holdMs = 2_000, maxHeld = 64 } = options
  const counters = createCounters()
  const ledgers = createLedgers({ redis, clock, prefix, patienceMs, counters })
  // A reservation is used when its answer arrives, so its term is the time that we wait for that.
  const ipTerms = termsOf(options.ip, patienceMs)
  const accountTerms = termsOf(options.account, patienceMs)
  let held = 0
  let away = false

  async function reserve(address: string, account: string): Promise<LoginAttempt> {
    const keys = keysOf(address, account)
    const claim = {
      address: ruleOf(ipTerms),
      account: ruleOf(accountTerms),
      firstDelayMs,
      longestDelayMs,
      quarantine: onDataLoss === 'quarantine',
    }
    const { answer, stepped } = await ledgers.ask(
      (redis, epoch, preamble) => attempt(redis, { epoch, ...keys }, preamble, claim),
      (late) => void giveBack(late, keys),
    )
    if (stepped) throw new Unavailable('redis', { cause: new Error("Redis' clock has stepped") })
    if (answer.verdict === 'go') return { allowed: true, refund: () => giveBack(answer, keys) }
    return {
      allowed: false,
      reason: answer.verdict === 'blocked' ? 'limit' : answer.verdict,
      retryAfterMs: answer.waitMs,
      violated: answer.violated.map((word) => (word === 'address' ? 'login-ip' : 'login-account')),
    }
  }

  async function reserveOrHold(address: string, account: string): Promise<LoginAttempt> {
    const first = await reserve(address, account)
    if (first.allowed || first.reason !== 'delayed') return first
    if (first.retryAfterMs > holdMs || held >= maxHeld) return first
    held += 1
    // A timer may be early by a part of a millisecond.
    await delay(first.retryAfterMs + 1)
    held -= 1
    return reserve(address, account)
  }

  function keysOf(address: string, account: string) {
    const pair = hashKey(JSON.stringify([address, account]))
    return {
      address: ledgerKey('login-ip', ipTerms, hashKey(address)),
      pair: ledgerKey('login-pair', accountTerms, pair),
      account: ledgerKey('login-account', accountTerms, hashKey(account)),
      ticket: ledgers.keys.ticket(pair),
      pardon: ledgers.keys.pardon(hashKey(account)),
    }
  }

  /** Where there is no limit the script needs a name, but looks at nothing there. */
  function ledgerKey(policy: string, terms: Terms | null, hashedKey: string): string {
    return terms ? ledgers.keys.ledger(policy, terms, hashedKey) : ledgers.keys.epoch
  }

  async function giveBack(answer: AttemptAnswer, keys: ReturnType<typeof keysOf>): Promise<void> {
    if (answer.verdict !== 'go') return
    const { requestId } = answer.postmark
    const [address, pair, account] = answer.places
    const charged = [
      { place: address, ledgerKey: keys.address, terms: ipTerms, id: `${requestId}.ip` },
      { place: pair, ledgerKey: keys.pair, terms: accountTerms, id: `${requestId}.pair` },
      { place: account, ledgerKey: keys.account, terms: accountTerms, id: `${requestId}.account` },
    ]
    const grants = charged.flatMap(({ place, ledgerKey, terms, id }): Grant[] =>
      place && terms ? [{ place, ledgerKey, id, tokens: 1, keepMs: terms.keepMs }] : [],
    )
    await Promise.all(grants.map(ledgers.giveBack))
  }

  function find(policy: LoginPolicy, key: string) {
    const terms = policy === 'login-ip' ? ipTerms : accountTerms
    const subject = policy === 'login-ip' ? addressKey(key) : key
    return terms && { terms, ledger: ledgers.keys.ledger(policy, terms, hashKey(subject)) }
  }

  return {
    async attempt({ ip, account }) {
      try {
        const decision = await reserveOrHold(addressKey(ip), account)
        away = false
        if (decision.allowed) counters.admitted += 1
        else counters.denied += 1
        return decision
      } catch (cause) {
        away = true
        throw cause
      }
    },
    async inspect(policy, key) {
      const found = find(policy, key)
      if (!found) return null
      const { charged } = await ledgers.inspect(found.ledger, found.terms)
      return { limit: found.terms.limit, charged }
    },
    async reset(policy, key) {
      const found = find(policy, key)
      if (!found) return
      if (policy === 'login-ip') await ledgers.forget(found.ledger)
      else await ledgers.pardon(ledgers.keys.pardon(hashKey(key)), found.ledger, found.terms.keepMs)
    },
    metrics: () => ({ ...counters, mode: away ? 'outage' : 'ledger' }),
  }
}

function ruleOf(terms: Terms | null) {
  return { limit: terms?.limit ?? null, keepMs: terms?.keepMs ?? 1, slotMs: terms?.slotMs ?? 1 }
}
