import type { RateLimiter } from '../../../shared/limits/rate-limiter.ts'
import type { AppMiddleware } from '../context.ts'
import { usualPolicy } from '../limits.ts'
import type { Route } from '../route.ts'
import { rateLimit } from './rate-limit.ts'

/** Charges each request to the policies of its route: to `api`, unless the route names others, or none. */
export function limitRoutes(limiter: Pick<RateLimiter, 'take' | 'takeAll'>): AppMiddleware {
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
