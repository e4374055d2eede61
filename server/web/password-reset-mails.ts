import { createHash, randomBytes } from 'node:crypto'
import type { Account, AccountStore } from '../../shared/accounts/accounts.ts'
import type { Mail, Mailer } from '../../shared/mail/mailer.ts'

const validMinutes = 30

/** Writes the mail that carries the link. */
export type PasswordResetMail = (facts: { to: string; name: string; link: string; minutes: number }) => Mail

/** Sends the owner of an account a link with which a new password can be set once, for half an hour. */
export type SendPasswordReset = (account: Account) => Promise<void>

/**
 * The token stands in the fragment of the link, which browsers keep to themselves: it reaches no server log, no
 * proxy and no Referer. Only its hash is stored.
 *
 * @param publicUrl where people reach us. Never taken from a request: its Host header may be an attacker's, and
 * the link would carry the token there.
 */
export function passwordResetMails(parts: {
  accounts: Pick<AccountStore, 'addResetToken'>
  mailer: Pick<Mailer, 'send'>
  passwordResetMail: PasswordResetMail
  publicUrl: () => string
}): SendPasswordReset {
  const { accounts, mailer, passwordResetMail, publicUrl } = parts

  return async function sendPasswordReset({ id, email, name }) {
    const token = randomBytes(32).toString('base64url')
    await accounts.addResetToken(id, hashResetToken(token), Date.now() + validMinutes * 60_000)
    const link = `${publicUrl()}/reset#token=${token}`
    await mailer.send(passwordResetMail({ to: email, name, link, minutes: validMinutes }))
  }
}

export function hashResetToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
