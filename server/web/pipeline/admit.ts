import { hasRole } from '../../../shared/accounts/roles.ts'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { problem } from '../../../shared/app/problem.ts'

/** Lets through only whom the route is for. A route without an access rule is for no one. */
export function admit(): AppMiddleware {
  return function admitRequest(ctx, next) {
    const { route, identity } = ctx.state
    const access = route?.access ?? { roles: ['nobody'] }
    if (access === 'anyone') return next()
    if (identity === null) throw problem('unauthenticated', whyNot(ctx))
    if (access === 'signed-in') return next()
    if (hasRole(identity.user, access.roles)) return next()
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
