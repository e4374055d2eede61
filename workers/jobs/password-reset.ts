import { z } from 'zod'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import { issueResetToken, resetTokenMinutes } from '../../shared/accounts/password-reset-tokens.ts'
import type { Mailer } from '../../shared/mail/mailer.ts'
import { passwordResetMail } from '../../shared/mail/messages.ts'
import { defineJob } from '../../shared/queues/job.ts'

interface Services {
  readonly accounts: Pick<AccountStore, 'findByEmail' | 'addResetToken'>
  readonly mailer: Pick<Mailer, 'send'>
}

/**
 * Mails a link to set a new password, if the address has an account. Whether it has is found out here and not in the
 * request, so that the request's answer can't tell. The token is made here too: it is never in Redis.
 *
 * It stands in the fragment of the link, which browsers keep to themselves: it reaches no server log, no proxy and no
 * Referer.
 */
export const passwordReset = defineJob({
  name: 'password-reset',
  payload: z.strictObject({
    email: z.string().max(254),
    /** Where people reach us. Never from a request: its Host may be an attacker's, and the link would go there. */
    publicUrl: z.url(),
  }),
  attempts: 8,
  backoff: { type: 'exponential', delayMs: 2_000 },
  async handler({ data }, { accounts, mailer }: Services) {
    const account = await accounts.findByEmail(data.email)
    if (account === null || account.disabled) return
    const link = `${data.publicUrl}/reset#token=${await issueResetToken(accounts, account.id)}`
    const { email: to, name } = account
    await mailer.send(passwordResetMail({ to, name, link, minutes: resetTokenMinutes }))
  },
})
