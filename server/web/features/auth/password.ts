import { z } from 'zod'
import type { Profile } from '../../../../shared/accounts/account-subject.ts'
import type { AccountStore, Passwords } from '../../../../shared/accounts/accounts.ts'
import type { Rotated, Sessions } from '../../../../shared/sessions/index.ts'
import type { LoginGuard } from '../../../../shared/limits/login-guard.ts'
import type { RecordAuthEvent } from './auth-events.ts'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import { isRight, reserveGuess } from './guard-login.ts'
import { invalidFields, problem, revocationUnconfirmed } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { setSessionCookie } from './session-cookie.ts'
import { givenPassword, newPassword } from '../../routing/fields.ts'

/** What is wrong with a password someone wants to have, or null. */
export type PasswordProblem = (password: string, owner: { email?: string; name?: string }) => string | null

export interface PasswordParts {
  readonly sessions: Pick<Sessions, 'rotateAndRevokeOthers'>
  readonly accounts: Pick<AccountStore, 'passwordHash' | 'setPassword'>
  readonly passwords: Passwords
  readonly passwordProblem: PasswordProblem
  readonly recordAuthEvent: RecordAuthEvent
  /** Against guessing, by whoever found somebody's session. */
  readonly guard: Pick<LoginGuard, 'attempt'>
}

const changed = 'the password was changed'

type Handed = Extract<Rotated, { outcome: 'rotated' }>

/**
 * Changing the password. First the record, then the sessions, then the answer: whoever signed in with the old
 * password, even while we were at it, is out when the answer says so. The session goes on under a new token, which is
 * sent with the answer.
 */
export function createPasswordChange(
  parts: PasswordParts,
): (ctx: AppContext, current: string, wanted: string) => Promise<Handed> {
  const { sessions, accounts, passwords, recordAuthEvent } = parts

  return async function change(ctx, current, wanted) {
    const { identity, token } = requireIdentity(ctx)
    const { id, profile } = identity.user
    const guess = await reserveGuess(parts.guard, ctx, (profile as Profile).email)
    const hash = await accounts.passwordHash(id)
    if (!(await isRight(guess, () => passwords.verify(hash, current)))) {
      recordAuthEvent(ctx, 'password-change-failed', { user: id })
      throw invalidFields([{ field: 'currentPassword', message: 'is not your current password' }])
    }
    requireAcceptable(parts.passwordProblem, wanted, profile as Profile)

    const outcome = await accounts.setPassword(id, await passwords.hash(wanted), hash ?? undefined)
    if (outcome === 'conflict')
      throw problem('conflict', 'the password was changed by another request meanwhile')
    if (outcome === 'gone') throw problem('session-gone', 'the account does not exist any more')
    recordAuthEvent(ctx, 'password-changed', { user: id })
    return handOver(ctx, await sessions.rotateAndRevokeOthers(id, token))
  }
}

export function passwordRoute(parts: PasswordParts): Route {
  const change = createPasswordChange(parts)

  return defineRoute({
    method: 'PUT',
    path: '/api/v1/auth/password',
    access: 'signed-in',
    summary: 'Change the password; every other session ends and this one goes on under a new token',
    body: z.strictObject({ currentPassword: givenPassword, newPassword }),
    replies: {
      204: {
        description: 'Changed; the new token is in the cookie, or in X-Session-Token for Bearer requests',
      },
      409: { description: 'Changed by another request meanwhile' },
    },
    async handler(ctx, { body }) {
      await change(ctx, body.currentPassword, body.newPassword)
      ctx.status = 204
    },
  })
}

/** Throws a 422 that says what is wrong with a new password. */
export function requireAcceptable(
  passwordProblem: PasswordProblem,
  password: string,
  { email, name }: { email: string; name: string },
  field = 'newPassword',
): void {
  const message = passwordProblem(password, { email, name })
  if (message !== null) throw invalidFields([{ field, message }])
}

function handOver(ctx: AppContext, rotated: Rotated): Handed {
  if (rotated.outcome === 'unconfirmed') {
    throw revocationUnconfirmed(
      `${changed}, but it could not be confirmed that the other sessions have ended: log out everywhere`,
      rotated.cause,
    )
  }
  if (rotated.outcome === 'gone')
    throw problem('session-gone', `${changed}, and the session ended: sign in again`)
  if (ctx.state.credential === 'bearer') {
    ctx.set('X-Session-Token', rotated.token)
    return rotated
  }
  const { remember, absoluteExpiresAt } = rotated.identity.session
  setSessionCookie(ctx, rotated.token, remember ? absoluteExpiresAt - Date.now() : null)
  return rotated
}
