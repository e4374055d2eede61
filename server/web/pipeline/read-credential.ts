import type { AppMiddleware } from '../../../shared/app/context.ts'
import { bearerToken, isWellFormedToken, sessionCookieName } from '../../../shared/sessions/index.ts'
import { readCookie } from '../features/auth/session-cookie.ts'

/**
 * Notes what the request shows as proof of a session, without asking whether it is one. A Bearer token decides
 * when there is one, right or wrong: a client that sends it does not mean the cookie that its browser adds.
 */
export function readCredentials(): AppMiddleware {
  return function readCredential(ctx, next) {
    const { state } = ctx
    const { authorization, cookie } = ctx.req.headers
    const bearer = bearerToken(authorization)
    const presented = bearer ?? readCookie(cookie, sessionCookieName(state.secure))
    if (presented !== null) {
      state.credential = bearer === null ? 'cookie' : 'bearer'
      state.token = isWellFormedToken(presented) ? presented : null
    }
    return next()
  }
}
