/** The rate limits of the server: their policies, and the parts that keep them. */
import type { Redis } from 'ioredis'
import { systemClock } from '../../shared/kernel/clock.ts'
import type { Announcements } from '../../shared/coherence/index.ts'
import type { Config } from '../../shared/config/config.ts'
import { createLoginGuard, type LoginGuard, type LoginRules } from '../../shared/limits/login-guard.ts'
import type { LimitPolicy } from '../../shared/limits/policy.ts'
import { createRateLimiter, type RateLimiter } from '../../shared/limits/rate-limiter.ts'
import type { Service } from '../../shared/kernel/lifecycle.ts'

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

export function openLimits({ redis, coherence, limits, policies = [], prefix = 'lm' }: LimitParts): Limits {
  const limiter = createRateLimiter({
    redis,
    clock: systemClock,
    coherence,
    prefix,
    policies: [apiPolicy(limits), ...policies],
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

function sameRule(a: Config['limits']['api'], b: Config['limits']['api']): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
