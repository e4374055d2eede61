/** The rate limits of the server: their policies, and the parts that keep them. */
import type { Redis } from 'ioredis'
import { systemClock } from '../kernel/clock.ts'
import type { Announcements } from '../coherence/index.ts'
import type { Config } from '../config/config.ts'
import { createLoginGuard, type LoginGuard, type LoginRules } from './login-guard.ts'
import type { LimitPolicy } from './policy.ts'
import { createRateLimiter, type RateLimiter } from './rate-limiter.ts'
import type { Service } from '../kernel/lifecycle.ts'

export interface LimitParts {
  readonly redis: Redis
  /** Tells all workers what was lifted or changed. */
  readonly coherence: Announcements
  readonly limits: Config['limits']
  /** The application's own policies, which its routes name. */
  readonly policies?: readonly LimitPolicy[]
  /** Applications that share a Redis use different ones. */
  readonly prefix?: string
}

export interface Limits extends Service {
  readonly limiter: RateLimiter
  /** Against guessing at passwords. */
  readonly guard: LoginGuard
  /** Other rules from now on, on this worker. */
  follow(limits: Config['limits']): void
}

/** The policy that every route is charged to, unless it says otherwise. */
export const usualPolicy = 'api'

/**
 * The policy of what an administrator needs to lift or change a limit, from signing in on. No setting changes it, so
 * that a limit that was set by mistake can be taken back by whom it locks out.
 */
export const undoPolicy = 'undo'

export function openLimits({ redis, coherence, limits, policies = [], prefix = 'lm' }: LimitParts): Limits {
  const limiter = createRateLimiter({
    redis,
    clock: systemClock,
    coherence,
    prefix,
    policies: [apiPolicy(limits), ...serverPolicies, ...policies],
  })
  const guard = createLoginGuard({ redis, clock: systemClock, prefix, ...loginRules(limits) })

  let current = limits
  return {
    start: limiter.start,
    stop: limiter.stop,
    limiter,
    guard,
    follow(next) {
      if (!sameRule(next.api, current.api)) limiter.define(apiPolicy(next))
      guard.follow(loginRules(next))
      current = next
    },
  }
}

function loginRules({ loginIp, loginAccount }: Config['limits']): LoginRules {
  return { ip: loginIp, account: loginAccount }
}

/** A flood of requests is better than none at all: an outage of Redis must not turn everybody away. */
export function apiPolicy({ api }: Config['limits']): LimitPolicy {
  return { name: usualPolicy, rule: api, onOutage: 'open', onDataLoss: 'trust' }
}

/** Tokens that prove nothing, by address. So many that a network whose sessions have all ended is not refused. */
export const tokenPolicy = 'tokens'

/** Mails with a link for a new password, by the address that they go to: anyone may request them. */
export const resetMailPolicy = 'reset-mails'

/** Accounts that people make for themselves, by the address that they come from. */
export const registrationPolicy = 'registrations'

/** The limits of the server that no setting changes. */
export const serverPolicies: readonly LimitPolicy[] = [
  {
    name: undoPolicy,
    rule: { limit: 300, windowMs: 60_000 },
    onOutage: 'open',
    onDataLoss: 'trust',
  },
  {
    name: tokenPolicy,
    rule: { limit: 1_000, windowMs: 60_000 },
    onOutage: 'open',
    onDataLoss: 'trust',
  },
  {
    name: registrationPolicy,
    rule: { limit: 10, windowMs: 3_600_000 },
    onOutage: 'closed',
    onDataLoss: 'trust',
  },
  {
    name: resetMailPolicy,
    rule: { limit: 10, windowMs: 86_400_000 },
    onOutage: 'closed',
    onDataLoss: 'trust',
  },
]

function sameRule(a: Config['limits']['api'], b: Config['limits']['api']): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
