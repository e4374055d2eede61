/**
 * Guards a sign-in against guessing, across all workers: a guess gets a place in Redis before the password is hashed,
 * so that however many arrive at once, no more are tried than the limits allow. A guess that was wrong counts for the
 * window; while it is being tried it only takes its place, so that people who sign in at the same moment wait for each
 * other and don't use each other's guesses up.
 *
 * An address (an IPv6 network) that guesses too much is blocked: for every account (`login-ip`), or for the one that
 * it guesses at (`login-account`). The account itself is never locked, for then strangers could lock its owner out.
 * From its limit on it slows down: each address waits before a guess at it is tried, longer with each further guess,
 * but at most `longestDelayMs`, whatever the strangers do. Accounts that don't exist are treated the same. While
 * Redis can't be asked, nothing is tried. After Redis has lost what was counted the limits are lower (policy.ts).
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { addressKey } from './address.ts'
import type { Clock } from '../kernel/clock.ts'
import { createCounters, type LimiterMetrics } from './counters.ts'
import { hashKey } from './keys.ts'
import { createLedgers } from './ledgers.ts'
import { termsOf, type LimitRule, type OnDataLoss, type Terms } from './policy.ts'
import { attempt, decide, letGo, type GuessKeys, type GuessRules, type RecordStanding } from './scripts.ts'

export interface LoginGuard {
  /** Takes a place for one guess. Rejects with `Unavailable` when Redis can't say. */
  attempt(guess: Guess): Promise<LoginAttempt>
  /** What stands against an address or an account. Null when there is no such limit. Rejects with `Unavailable`. */
  inspect(policy: LoginPolicy, key: string): Promise<LoginStanding | null>
  /**
   * Forgets the guesses of an address, or those at an account from all addresses; effective at once on every worker,
   * for none remembers any. Rejects with `Unavailable`.
   */
  reset(policy: LoginPolicy, key: string): Promise<void>
  /** Other rules from now on. */
  follow(rules: LoginRules): void
  /** Declares a new installation: no guesses can have been lost. Does nothing where there has been a guard before. */
  found(): Promise<void>
  /** What may have been lost of what was counted. Rejects with `Unavailable`. */
  standing(): Promise<RecordStanding>
  /** Takes for granted that nothing was lost, on every worker; whether that changed anything. */
  trust(): Promise<boolean>
  metrics(): LoginMetrics
}

export interface LoginStanding {
  /** In force: lower than configured while that makes up for a loss. */
  readonly limit: number
  readonly charged: number
  readonly retryAfterMs: number
}

export interface LoginMetrics extends LimiterMetrics {
  /** For how long the limits are lower, as the last answer of Redis had it. */
  readonly recoveringMs: number
}

export interface LoginRules {
  readonly ip: LimitRule
  readonly account: LimitRule
}

export interface Guess {
  readonly ip: string
  /** In one spelling only: each other spelling would have a limit of its own. */
  readonly account: string
}

export const loginPolicies = ['login-ip', 'login-account'] as const
export type LoginPolicy = (typeof loginPolicies)[number]

export type LoginAttempt =
  | {
      readonly allowed: true
      /**
       * The guess was wrong: it counts. Before anybody is told so: rejects with `Unavailable` when it could not be
       * counted.
       */
      count(): Promise<void>
      /** The guess was right, or was not tried after all: it does not count. Never rejects. */
      refund(): Promise<void>
    }
  | {
      readonly allowed: false
      /**
       * `limit`: too many were wrong. `busy`: as many as may be wrong are being tried at the moment. `delayed`: guesses
       * at this account have to wait. `quarantine`: Redis lost charges, no one is to blame.
       */
      readonly reason: 'limit' | 'busy' | 'delayed' | 'quarantine'
      readonly retryAfterMs: number
      /** `login-all`: more guesses were wrong, from everywhere, than are remembered. */
      readonly violated: readonly (LoginPolicy | 'login-all')[]
    }

export interface LoginGuardOptions extends LoginRules {
  readonly redis: Redis
  readonly clock: Clock
  readonly onDataLoss?: OnDataLoss
  readonly prefix?: string
  readonly patienceMs?: number
  /** The wait for the first guess beyond an account's limit; it doubles with each further one. */
  readonly firstDelayMs?: number
  readonly longestDelayMs?: number
  /** Delays up to this are waited for here; longer ones are answered with `delayed`. */
  readonly holdMs?: number
  /** For how long a guess waits here for one that is being tried; then it is answered with `busy`. */
  readonly busyMs?: number
  /** How many guesses are held at a time: a flood must not fill the worker with waiting requests. */
  readonly maxHeld?: number
  /** Wrong guesses that are remembered in all: a flood must not fill the Redis that holds the sessions. */
  readonly mostGuesses?: number
}

/** A guess is tried within this. If a worker dies with it, no one learns whether it was right, and it does not count. */
const longestTrialMs = 30_000
/** How often a guess that waits for others asks again. */
const askAgainMs = 100

export function createLoginGuard(options: LoginGuardOptions): LoginGuard {
  const { redis, clock, onDataLoss = 'lower', prefix, patienceMs = 1_000, mostGuesses = 100_000 } = options
  const {
    firstDelayMs = 1_000,
    longestDelayMs = 30_000,
    holdMs = 2_000,
    busyMs = 1_000,
    maxHeld = 64,
  } = options
  const counters = createCounters()
  const ledgers = createLedgers({
    redis,
    clock,
    prefix,
    record: 'signInRecord',
    patienceMs: () => patienceMs,
    counters,
  })
  let rules = termsOfRules(options)
  let held = 0
  let away = false

  async function reserve(keys: GuessKeys): Promise<LoginAttempt> {
    const { ip, account } = rules
    const claim = {
      address: ruleOf(ip),
      account: ruleOf(account),
      mostGuesses,
      firstDelayMs,
      longestDelayMs,
      holdMs: longestTrialMs,
      onDataLoss,
    }
    const { answer, stepped } = await ledgers.ask(
      (redis, preamble) => attempt(redis, keys, preamble, claim),
      (late) => void giveUp(late.postmark.requestId, keys),
    )
    // What was read may have been forgotten early. The next trip finds Redis' time where it should be.
    if (stepped) {
      await giveUp(answer.postmark.requestId, keys)
      return reserve(keys)
    }
    if (answer.verdict === 'go') return allowed(answer.postmark.requestId, keys, claim)
    return {
      allowed: false,
      reason: answer.verdict === 'blocked' ? 'limit' : answer.verdict,
      retryAfterMs: answer.waitMs,
      violated: answer.violated.map((word) => policyOf[word]),
    }
  }

  function allowed(guessId: string, keys: GuessKeys, rules: GuessRules): LoginAttempt {
    let decided = false
    return {
      allowed: true,
      async count() {
        if (decided) return
        await ledgers.ask(
          (redis, preamble) => decide(redis, keys, preamble, rules, guessId),
          () => {},
        )
        decided = true
      },
      async refund() {
        if (decided) return
        decided = true
        await giveUp(guessId, keys)
      },
    }
  }

  /** What fails here lapses by itself. */
  async function giveUp(guessId: string, keys: GuessKeys): Promise<void> {
    await letGo(redis, keys, guessId).catch(() => {})
  }

  async function reserveOrHold(keys: GuessKeys): Promise<LoginAttempt> {
    const first = await reserve(keys)
    if (first.allowed || held >= maxHeld) return first
    held += 1
    try {
      return await hold(keys, first)
    } finally {
      held -= 1
    }
  }

  /** Waits for a short delay, or for guesses that are being tried. */
  async function hold(keys: GuessKeys, first: LoginAttempt): Promise<LoginAttempt> {
    const giveUpAt = clock.mono() + busyMs
    let latest = first
    while (!latest.allowed && latest.reason === 'busy' && clock.mono() < giveUpAt) {
      await delay(askAgainMs * (0.5 + Math.random()))
      latest = await reserve(keys)
    }
    if (latest.allowed || latest.reason !== 'delayed' || latest.retryAfterMs > holdMs) return latest
    // A timer may be early by a part of a millisecond.
    await delay(latest.retryAfterMs + 1)
    return reserve(keys)
  }

  function keysOf(address: string, account: string): GuessKeys {
    const pair = hashKey(JSON.stringify([address, account]))
    const [addressHash, accountHash] = [hashKey(address), hashKey(account)]
    const { keys } = ledgers
    return {
      record: ledgers.record,
      ledgers: {
        address: ledgerKey('login-ip', rules.ip, address),
        pair: ledgerKey('login-pair', rules.account, pair),
        account: ledgerKey('login-account', rules.account, account),
        all: ledgerKey('login-all', rules.ip ?? rules.account, 'all'),
      },
      held: {
        address: keys.held(`ip.${addressHash}`),
        pair: keys.held(`pair.${pair}`),
        account: keys.held(`account.${accountHash}`),
      },
      ticket: keys.ticket(pair),
      pardon: keys.pardon(accountHash),
    }
  }

  /** Where there is no limit the script needs a name, but looks at nothing there. */
  function ledgerKey(policy: string, terms: Terms | null, key: string): string {
    return terms ? ledgers.keys.ledger(policy, terms, key) : ledgers.record
  }

  function find(policy: LoginPolicy, key: string) {
    const terms = policy === 'login-ip' ? rules.ip : rules.account
    const subject = policy === 'login-ip' ? addressKey(key) : key
    return terms && { terms, ledger: ledgers.keys.ledger(policy, terms, subject) }
  }

  function longestKeepMs(): number {
    return Math.max(rules.ip?.keepMs ?? 0, rules.account?.keepMs ?? 0, 1)
  }

  return {
    async attempt({ ip, account }) {
      try {
        const decision = await reserveOrHold(keysOf(addressKey(ip), account))
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
      const { charged, limit, waitMs } = await ledgers.inspect(found.ledger, found.terms, onDataLoss)
      return { limit, charged, retryAfterMs: waitMs }
    },
    async reset(policy, key) {
      const found = find(policy, key)
      if (!found) return
      if (policy === 'login-ip') await ledgers.forget(found.ledger, found.terms)
      else await ledgers.pardon(ledgers.keys.pardon(hashKey(key)), found.ledger, found.terms.keepMs)
    },
    follow(next) {
      rules = termsOfRules(next)
    },
    found: ledgers.found,
    standing: () => ledgers.standing(longestKeepMs()),
    trust: ledgers.trust,
    metrics: () => ({
      ...counters,
      mode: away ? 'outage' : 'ledger',
      recoveringMs: onDataLoss === 'trust' ? 0 : ledgers.recoveringMs,
    }),
  }
}

const policyOf = { address: 'login-ip', account: 'login-account', all: 'login-all' } as const

/** A guess counts from when it was found wrong, and nothing is used later: there is no term. */
function termsOfRules({ ip, account }: LoginRules) {
  return { ip: termsOf(ip, 0), account: termsOf(account, 0) }
}

function ruleOf(terms: Terms | null) {
  return { limit: terms?.limit ?? null, keepMs: terms?.keepMs ?? 1, slotMs: terms?.slotMs ?? 1 }
}
