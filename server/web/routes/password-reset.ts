import { z } from 'zod'
import type { AccountStore, Passwords } from '../../../shared/accounts/accounts.ts'
import type { Sessions } from '../../../shared/sessions/sessions.ts'
import type { RecordAuthEvent } from '../auth-events.ts'
import type { BackgroundWork } from '../background-work.ts'
import type { AppContext } from '../context.ts'
import { hashResetToken, type SendPasswordReset } from '../password-reset-mails.ts'
import { problem, revocationUnconfirmed } from '../problem.ts'
import { defineRoute, type Route } from '../route.ts'
import { email, newPassword } from './fields.ts'
import { requireAcceptable, type PasswordProblem } from './password.ts'

export interface PasswordResetParts {
  readonly sessions: Pick<Sessions, 'revokeUser'>
  readonly accounts: Pick<AccountStore, 'findByEmail' | 'findResetToken' | 'resetPassword'>
  readonly passwords: Pick<Passwords, 'hash'>
  readonly passwordProblem: PasswordProblem
  readonly sendPasswordReset: SendPasswordReset
  readonly background: BackgroundWork
  readonly recordAuthEvent: RecordAuthEvent
}

/** For those who forgot their password. */
export function passwordResetRoutes(parts: PasswordResetParts): Route[] {
  const { sessions, accounts, passwords, sendPasswordReset, background, recordAuthEvent } = parts

  /**
   * The answer is the same, and takes the same time, whether the address is known or not: what a known address
   * takes more begins when the answer is out.
   */
  async function request(ctx: AppContext, address: string): Promise<void> {
    if (background.full) {
      throw problem('unavailable', 'too many mails are waiting to be sent, please try again', {
        headers: { 'Retry-After': '5' },
      })
    }
    const account = await accounts.findByEmail(address)
    if (account && !account.disabled) {
      recordAuthEvent(ctx, 'password-reset-requested', { user: account.id })
      ctx.res.once('close', () => background.run('password reset mail', () => sendPasswordReset(account)))
    }
    ctx.status = 202
    ctx.body = { message: 'if there is an account with this address, a mail is on its way to it' }
  }

  /**
   * Sessions are ended before the password is set and again after. The first time proves that Redis can confirm
   * it while the token is still unused: an `unconfirmed` then leaves everything as it was, and asking again with
   * the same token finishes the job. The second time ends what signed in with the old password in between.
   */
  async function confirm(ctx: AppContext, token: string, wanted: string): Promise<void> {
    const tokenHash = hashResetToken(token)
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
    ctx.status = 204
  }

  async function endSessions(userId: string, ifUnconfirmed: string): Promise<void> {
    const ended = await sessions.revokeUser(userId)
    if (ended.outcome === 'unconfirmed') throw revocationUnconfirmed(ifUnconfirmed, ended.cause)
  }

  return [
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/password-reset/request',
      access: 'anyone',
      summary: 'Ask for a mail with a link to set a new password',
      body: z.strictObject({ email }),
      replies: {
        202: {
          description: 'Always, whether there is such an account or not',
          body: z.strictObject({ message: z.string() }),
        },
      },
      handler: (ctx, { body }) => request(ctx, body.email),
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/password-reset/confirm',
      access: 'anyone',
      summary: 'Set a new password with the token of the mail; all sessions of the user end',
      body: z.strictObject({ token: z.string().max(256), newPassword }),
      replies: { 204: { description: 'Changed, and all sessions have ended' } },
      handler: (ctx, { body }) => confirm(ctx, body.token, body.newPassword),
    }),
  ]
}

function invalidToken() {
  return problem('invalid-token', 'the token is unknown, was used or is too old: ask for a new mail')
}
