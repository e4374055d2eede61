import { administrators, hasRole } from '../../../shared/accounts/roles.ts'
import type { AppMiddleware } from '../../../shared/app/context.ts'
import { problem } from '../../../shared/app/problem.ts'

/**
 * Turns requests away while the server is under maintenance, but for those of administrators and on the routes that
 * stay open: signing in and out, and health checks. Comes after authentication, since it must know who is asking. Without
 * leaving this turn of the event loop while the setting is known.
 */
export function refuseInMaintenance(inMaintenance: () => boolean | Promise<boolean>): AppMiddleware {
  const refusal = () => problem('maintenance', 'the server is under maintenance, please try again later')

  return function refuseDuringMaintenance(ctx, next) {
    const { route, identity } = ctx.state
    if (route?.inMaintenance === 'open') return next()
    if (identity && hasRole(identity.user, administrators)) return next()
    const closed = inMaintenance()
    if (!(closed instanceof Promise)) {
      if (closed) throw refusal()
      return next()
    }
    return closed.then((late) => {
      if (late) throw refusal()
      return next()
    })
  }
}
