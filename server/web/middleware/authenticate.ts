import type { Identity, Sessions } from '../../../shared/sessions/sessions.ts'
import type { AppContext, AppMiddleware } from '../context.ts'
import { problem } from '../problem.ts'
import type { Route } from '../route.ts'

/**
 * Finds out who is asking, on routes that are not for anyone, and lets through only whom the route is for. A
 * worker that may decide from its memory does so without leaving this turn of the event loop.
 */
export function authenticate(sessions: Pick<Sessions, 'authenticate'>): AppMiddleware {
  return function authenticateRequest(ctx, next) {
    const { route, token } = ctx.state
    const access = route?.access ?? { roles: ['nobody'] }
    if (access === 'anyone') return next()
    const identity = token === null ? null : sessions.authenticate(token)
    if (identity instanceof Promise)
      return identity.then((found) => {
        admit(ctx, access, found)
        return next()
      })
    admit(ctx, access, identity)
    return next()
  }
}

function admit(ctx: AppContext, access: Exclude<Route['access'], 'anyone'>, identity: Identity | null): void {
  if (identity === null) throw problem('unauthenticated', whyNot(ctx))
  ctx.state.identity = identity
  if (access === 'signed-in') return
  const { roles } = identity.user
  if (!access.roles.some((role) => roles.includes(role))) {
    throw problem('forbidden', `this needs the role ${access.roles.join(' or ')}`)
  }
}

function whyNot(ctx: AppContext): string {
  const { credential, token } = ctx.state
  if (credential === null) return 'sign in first: no session cookie and no Bearer token was sent'
  if (token !== null) return 'the session has ended or never was: sign in again'
  return credential === 'cookie'
    ? 'the session cookie is malformed: sign in again'
    : 'the Bearer token is malformed: send the 43 characters that the login answered'
}
