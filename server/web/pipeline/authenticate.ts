import type { AppMiddleware } from '../../../shared/app/context.ts'
import type { Sessions } from '../../../shared/sessions/sessions.ts'

/**
 * Finds out who is asking; whom the route is for is decided later. Without a token nobody is asked, and neither on the
 * routes for anyone that do not want to know. A worker that may answer from its memory does so without leaving this turn
 * of the event loop.
 */
export function authenticate(sessions: Pick<Sessions, 'authenticate'>): AppMiddleware {
  return function authenticateRequest(ctx, next) {
    const { route, token } = ctx.state
    if (token === null || (route?.access === 'anyone' && route.identify === false)) return next()
    const identity = sessions.authenticate(token)
    if (identity instanceof Promise) {
      return identity.then((found) => {
        ctx.state.identity = found
        return next()
      })
    }
    ctx.state.identity = identity
    return next()
  }
}
