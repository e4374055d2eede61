import { z } from 'zod'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import { issueResetToken, resetTokenMinutes } from '../../shared/accounts/mail-tokens.ts'
import { locales } from '../../shared/locales/locales.ts'
import type { Mailer } from '../../shared/mail/mailer.ts'
import { passwordResetMail } from '../../shared/mail/messages.ts'
import { defineJob } from '../../shared/queues/job.ts'

export interface Services {
  readonly accounts: Pick<AccountStore, 'findByEmail' | 'addResetToken'>
  readonly mailer: Pick<Mailer, 'send'>
  /** Where people reach the server, without a trailing slash. */
  readonly publicUrl: string
}

/**
 * Mails a link to set a new password, if the address has an account. Whether it has is found out here and not in the
 * request, so that the request's answer can't tell. The token is made here too: it is never in Redis. Neither is the
 * address that the link leads to: it is configured, so that no one who can write a payload decides where people go.
 *
 * It stands in the fragment of the link, which browsers keep to themselves: it reaches no server log, no proxy and no
 * Referer.
 */
export const passwordReset = defineJob({
  name: 'password-reset',
  payload: z.strictObject({ email: z.string().max(254), locale: z.enum(locales).optional() }),
  attempts: 8,
  backoff: { type: 'exponential', delayMs: 2_000 },
  async handler({ data }, { services: { accounts, mailer, publicUrl } }: { services: Services }) {
    const account = await accounts.findByEmail(data.email)
    if (account === null || account.disabled) return
    const link = `${publicUrl}/reset#token=${await issueResetToken(accounts, account.id)}`
    const { email: to, name } = account
    await mailer.send(passwordResetMail({ to, name, locale: data.locale, link, minutes: resetTokenMinutes }))
  },
})
