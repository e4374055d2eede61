import type { RateLimiter } from '../../../shared/limits/rate-limiter.ts'
import type { AppMiddleware } from '../../../shared/app/context.ts'
import { usualPolicy } from '../../../shared/limits/open-limits.ts'
import type { Route } from '../../../shared/app/route.ts'
import { rateLimit } from './rate-limit.ts'

/**
 * Charges each request to the policies of its route: to `api`, unless the route names others, or none. Throws when a
 * route names a policy that there is not.
 */
export function limitRoutes(
  limiter: Pick<RateLimiter, 'take' | 'takeAll' | 'policies'>,
  routes: readonly Route[],
): AppMiddleware {
  refuseUnknownPolicies(limiter, routes)
  const usual = rateLimit({ limiter, policies: [usualPolicy] })
  const own = new WeakMap<Route, AppMiddleware>()

  function middlewareOf(route: Route, policies: readonly string[]): AppMiddleware {
    const known = own.get(route)
    if (known) return known
    const [first, ...others] = policies
    const made: AppMiddleware =
      first === undefined ? (_ctx, next) => next() : rateLimit({ limiter, policies: [first, ...others] })
    own.set(route, made)
    return made
  }

  return function limitRoute(ctx, next) {
    const { route } = ctx.state
    if (route?.limits === undefined) return usual(ctx, next)
    return middlewareOf(route, route.limits)(ctx, next)
  }
}

/** Charges what no route answers to the address that it comes from: to look for what there is has a limit, too. */
export function limitAbsent(limiter: Pick<RateLimiter, 'take' | 'takeAll'>): AppMiddleware {
  return rateLimit({ limiter, policies: [usualPolicy] })
}

function refuseUnknownPolicies(limiter: Pick<RateLimiter, 'policies'>, routes: readonly Route[]): void {
  const known = new Set(limiter.policies().map(({ name }) => name))
  for (const { method, path, limits = [] } of routes) {
    const unknown = limits.find((name) => !known.has(name))
    if (unknown === undefined) continue
    throw new TypeError(
      `${method} ${path} is charged to ${unknown}, which is no limit: add it to server/limits.ts`,
    )
  }
}
