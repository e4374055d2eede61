import { addressSubject } from '../../../shared/limits/address.ts'
import { announceQuota, refusal } from '../../../shared/limits/answer.ts'
import type { JointDecision, RateDecision } from '../../../shared/limits/decision.ts'
import type { RateLimiter } from '../../../shared/limits/rate-limiter.ts'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'

export interface RateLimitOptions {
  readonly limiter: Pick<RateLimiter, 'take' | 'takeAll'>
  /** By name; a request is charged to all of them, or to none. */
  readonly policies: readonly [string, ...string[]]
  /** Who is limited. */
  readonly subject?: (ctx: AppContext) => string
  /** What a request costs. */
  readonly cost?: (ctx: AppContext) => number
}

/**
 * Lets a request pass while its limits allow, and says on every answer what is left of them. For the whole app, or for
 * one route: `around: rateLimit({ limiter, policies: ['export'] })`. Without leaving this turn of the event loop where
 * the limiter does not have to.
 */
export function rateLimit(options: RateLimitOptions): AppMiddleware {
  const { limiter, policies, subject = userOrAddress, cost = () => 1 } = options
  const [only, ...others] = policies

  function decide(ctx: AppContext): RateDecision | JointDecision | Promise<RateDecision | JointDecision> {
    const key = subject(ctx)
    if (others.length === 0) return limiter.take(only, key, cost(ctx))
    return limiter.takeAll(policies.map((policy) => ({ policy, key, cost: cost(ctx) })))
  }

  return function limitRate(ctx, next) {
    const decision = decide(ctx)
    if (decision instanceof Promise) {
      return decision.then((late) => {
        apply(ctx, late)
        return next()
      })
    }
    apply(ctx, decision)
    return next()
  }
}

/** `user:<id>` of who is signed in, else `ip:<address>`, IPv6 by its network. What an administrator unblocks. */
export function userOrAddress(ctx: AppContext): string {
  const { identity, clientIp } = ctx.state
  return identity ? `user:${identity.user.id}` : addressSubject(clientIp ?? 'unknown')
}

function apply(ctx: AppContext, decision: RateDecision | JointDecision): void {
  if (!decision.allowed) throw refusal(decision)
  announceQuota(ctx.res, decision)
}
