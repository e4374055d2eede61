import { administrators, hasRole } from '../../../shared/accounts/roles.ts'
import type { AppMiddleware } from '../../../shared/app/context.ts'
import { problem } from '../../../shared/app/problem.ts'

/**
 * Turns requests away while the server is under maintenance, but for those of administrators and on the routes that
 * stay open: signing in and out, and health checks. Comes after authentication, since it must know who is asking.
 */
export function refuseInMaintenance(inMaintenance: () => boolean): AppMiddleware {
  return function refuseDuringMaintenance(ctx, next) {
    if (!inMaintenance()) return next()
    const { route, identity } = ctx.state
    if (route?.inMaintenance === 'open') return next()
    if (identity && hasRole(identity.user, administrators)) return next()
    throw problem('maintenance', 'the server is under maintenance, please try again later')
  }
}
