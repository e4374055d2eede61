import type { ServerResponse } from 'node:http'
import { addressSubject } from '../../../shared/limits/address.ts'
import type { Admission, JointDecision, RateDecision } from '../../../shared/limits/decision.ts'
import {
  rateLimitHeader,
  rateLimitItem,
  rateLimitPolicyHeader,
  rateLimitPolicyItem,
  retryAfterSeconds,
} from '../../../shared/limits/headers.ts'
import type { RateLimiter } from '../../../shared/limits/rate-limiter.ts'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { problem, type Problem } from '../../../shared/app/problem.ts'

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
  if ('decisions' in decision) for (const each of decision.decisions) announce(ctx.res, each)
  else announce(ctx.res, decision)
}

function announce(res: ServerResponse, admission: Admission): void {
  if (admission.limit === Infinity) return
  append(res, 'RateLimit-Policy', rateLimitPolicyItem(admission))
  append(res, 'RateLimit', rateLimitItem(admission))
}

/** The fields are lists: a limit comes in addition to those before it. */
function append(res: ServerResponse, field: string, item: string): void {
  const before = res.getHeader(field)
  res.setHeader(field, before === undefined ? item : `${String(before)}, ${item}`)
}

/** The answer to what a limit refuses. */
export function refusal(decision: Exclude<RateDecision | JointDecision, { allowed: true }>): Problem {
  const refusals = 'decisions' in decision ? decision.decisions : [decision]
  const retryAfter = retryAfterSeconds(decision.retryAfterMs)
  const headers = { 'Retry-After': String(retryAfter) }
  if (decision.reason === 'quarantine') {
    return problem('unavailable', 'what was used of the limits was lost and has to be waited out', {
      headers,
    })
  }
  const names = refusals.map(({ policy }) => policy)
  const detail = `the limit ${names.join(' and ')} is used up: please try again in ${retryAfter} s`
  return problem('quota-exceeded', detail, {
    headers: {
      ...headers,
      'RateLimit-Policy': rateLimitPolicyHeader(refusals),
      RateLimit: rateLimitHeader(refusals),
    },
    members: { 'violated-policies': names },
  })
}
