import { z } from 'zod'
import type { AccountStore, Passwords } from '../../../../shared/accounts/accounts.ts'
import { hashMailToken } from '../../../../shared/accounts/mail-tokens.ts'
import { emailKey } from '../../../../shared/accounts/email-key.ts'
import type { Locale } from '../../../../shared/locales/locales.ts'
import type { RateLimiter } from '../../../../shared/limits/rate-limiter.ts'
import type { Sessions } from '../../../../shared/sessions/index.ts'
import type { RecordAuthEvent } from './auth-events.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem, revocationUnconfirmed } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { email, newPassword } from '../../routing/fields.ts'
import { resetMailPolicy } from '../../../../shared/limits/open-limits.ts'
import { localeOf } from '../pages/locale.ts'
import { requireAcceptable, type PasswordProblem } from './password.ts'

/**
 * Has a mail sent with a link to set a new password, if the address has an account. Resolves when that will be done;
 * takes the same time, and resolves alike, whether there is an account or not. Rejects with `Unavailable`.
 */
export type RequestPasswordReset = (email: string, locale?: Locale) => Promise<void>

export interface PasswordResetParts {
  readonly sessions: Pick<Sessions, 'revokeUser'>
  readonly accounts: Pick<AccountStore, 'findResetToken' | 'resetPassword'>
  readonly passwords: Pick<Passwords, 'hash'>
  readonly passwordProblem: PasswordProblem
  readonly limits: { readonly limiter: Pick<RateLimiter, 'take'> }
  readonly requestPasswordReset: RequestPasswordReset
  readonly recordAuthEvent: RecordAuthEvent
}

/** What programs and pages ask for, each in its own way. */
export interface PasswordReset {
  request(ctx: AppContext, address: string): Promise<void>
  confirm(ctx: AppContext, token: string, wanted: string): Promise<void>
}

/** For those who forgot their password, or have none yet. */
export function createPasswordReset(parts: PasswordResetParts): PasswordReset {
  const { sessions, accounts, passwords, limits, requestPasswordReset, recordAuthEvent } = parts

  async function request(ctx: AppContext, address: string): Promise<void> {
    // Beyond the limit the answer is the same: it must not say how often others have asked.
    const { allowed } = await limits.limiter.take(resetMailPolicy, emailKey(address))
    if (allowed) await requestPasswordReset(address, localeOf(ctx))
    recordAuthEvent(ctx, 'password-reset-requested', {})
  }

  /**
   * Sessions are ended before the password is set and again after. The first time proves that Redis can confirm
   * it while the token is still unused: an `unconfirmed` then leaves everything as it was, and asking again with
   * the same token finishes the job. The second time ends what signed in with the old password in between.
   */
  async function confirm(ctx: AppContext, token: string, wanted: string): Promise<void> {
    const tokenHash = hashMailToken(token)
    const owner = await accounts.findResetToken(tokenHash, Date.now())
    if (!owner || owner.disabled) throw invalidToken()
    requireAcceptable(parts.passwordProblem, wanted, owner)
    const hash = await passwords.hash(wanted)

    await endSessions(
      owner.id,
      'nothing was changed, because the sessions could not be ended: please ask again',
    )
    const account = await accounts.resetPassword(tokenHash, hash, Date.now())
    if (!account) throw invalidToken()
    recordAuthEvent(ctx, 'password-reset', { user: account.id })
    await endSessions(
      account.id,
      'the password was changed, but a session may be left: sign in with it and log out everywhere',
    )
  }

  async function endSessions(userId: string, ifUnconfirmed: string): Promise<void> {
    const ended = await sessions.revokeUser(userId)
    if (ended.outcome === 'unconfirmed') throw revocationUnconfirmed(ifUnconfirmed, ended.cause)
  }

  return { request, confirm }
}

export function passwordResetRoutes({ request, confirm }: PasswordReset): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/password-reset/request',
      access: 'anyone',
      identify: false,
      summary: 'Ask for a mail with a link to set a new password',
      body: z.strictObject({ email }),
      replies: {
        202: {
          description: 'Always, whether there is such an account or not',
          body: z.strictObject({ message: z.string() }),
        },
      },
      async handler(ctx, { body }) {
        await request(ctx, body.email)
        ctx.status = 202
        ctx.body = { message: 'if there is an account with this address, a mail is on its way to it' }
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/password-reset/confirm',
      access: 'anyone',
      identify: false,
      summary: 'Set a new password with the token of the mail; all sessions of the user end',
      body: z.strictObject({ token: z.string().max(256), newPassword }),
      replies: { 204: { description: 'Changed, and all sessions have ended' } },
      async handler(ctx, { body }) {
        await confirm(ctx, body.token, body.newPassword)
        ctx.status = 204
      },
    }),
  ]
}

function invalidToken() {
  return problem('invalid-token', 'the token is unknown, was used or is too old: ask for a new mail')
}
