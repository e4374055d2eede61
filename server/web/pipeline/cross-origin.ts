import type { AppMiddleware } from '../../../shared/app/context.ts'
import { methods } from '../../../shared/app/route.ts'

const preflightHeaders = {
  'Access-Control-Allow-Methods': ['HEAD', ...methods].join(', '),
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, X-Request-Id',
  'Access-Control-Max-Age': '600',
}
const exposed = 'Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, X-Session-Token, X-Worker'

/**
 * Lets scripts of the sites in `origins` read our answers. They call with Bearer tokens: credentials are never
 * allowed, so that no other site, listed or not, acts with the cookie of a signed-in user here.
 */
export function crossOrigin(origins: readonly string[]): AppMiddleware {
  const allowed = new Set(origins)

  return function answerOtherOrigins(ctx, next) {
    if (allowed.size === 0) return next()
    ctx.vary('Origin')
    const { origin } = ctx.req.headers
    if (origin === undefined || !allowed.has(origin)) return next()
    ctx.set('Access-Control-Allow-Origin', origin)
    ctx.set('Access-Control-Expose-Headers', exposed)
    const preflight =
      ctx.method === 'OPTIONS' && ctx.req.headers['access-control-request-method'] !== undefined
    if (preflight) ctx.set(preflightHeaders)
    return next()
  }
}
