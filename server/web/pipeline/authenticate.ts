import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { addressSubject } from '../../../shared/limits/address.ts'
import type { RateLimiter } from '../../../shared/limits/rate-limiter.ts'
import type { Identity, Sessions } from '../../../shared/sessions/index.ts'
import { tokenPolicy } from '../../../shared/limits/open-limits.ts'
import { refusal } from '../../../shared/limits/answer.ts'

/**
 * Finds out who is asking; whom the route is for is decided later. Without a token no one is asked, and neither on the
 * routes for anyone that do not want to know. A worker that may answer from its memory does so without leaving this turn
 * of the event loop.
 *
 * Tokens that prove nothing are charged to the address that they come from. Once it has used its limit up, tokens that
 * this worker does not know are refused without asking Redis; sessions that it knows go on.
 */
export function authenticate(
  sessions: Pick<Sessions, 'authenticate'>,
  limiter: Pick<RateLimiter, 'take' | 'knownRefusal'>,
): AppMiddleware {
  function note(ctx: AppContext, identity: Identity | null): void {
    ctx.state.identity = identity
    if (identity === null) charge(ctx)
  }

  /** No request waits for this: the answer is a refusal already, and the next one will know. */
  function charge(ctx: AppContext): void {
    try {
      const charged = limiter.take(tokenPolicy, subject(ctx))
      if (charged instanceof Promise) charged.catch(() => {})
    } catch {
      // Redis is away; then nothing that is unknown is believed anyway.
    }
  }

  return function authenticateRequest(ctx, next) {
    const { route, token } = ctx.state
    if (token === null || (route?.access === 'anyone' && route.identify === false)) return next()
    const identity = sessions.authenticate(token, () => {
      const known = limiter.knownRefusal(tokenPolicy, subject(ctx))
      if (known !== null) throw refusal(known)
    })
    if (identity instanceof Promise) {
      return identity.then((found) => {
        note(ctx, found)
        return next()
      })
    }
    note(ctx, identity)
    return next()
  }
}

function subject(ctx: AppContext): string {
  return addressSubject(ctx.state.clientIp ?? 'unknown')
}
