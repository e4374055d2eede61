import { z } from 'zod'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import {
  invitationDays,
  issueInvitationToken,
  issueVerificationToken,
  verificationHours,
} from '../../shared/accounts/mail-tokens.ts'
import { locales } from '../../shared/locales/locales.ts'
import type { Mailer } from '../../shared/mail/mailer.ts'
import { invitationMail, verificationMail } from '../../shared/mail/messages.ts'
import { defineJob } from '../../shared/queues/job.ts'

export interface Services {
  readonly accounts: Pick<AccountStore, 'findById' | 'addResetToken' | 'addVerificationToken'>
  readonly mailer: Pick<Mailer, 'send'>
  /** Where people reach the server, without a trailing slash. */
  readonly publicUrl: string
}

/**
 * Mails a link to the owner of an account: to set a first password, or to confirm the address. As with a new password,
 * the token is made here, so that it is never in Redis, and stands in the fragment of the link.
 */
export const accountMail = defineJob({
  name: 'account-mail',
  payload: z.strictObject({
    kind: z.enum(['invitation', 'verification']),
    accountId: z.string().max(64),
    locale: z.enum(locales).optional(),
  }),
  attempts: 8,
  backoff: { type: 'exponential', delayMs: 2_000 },
  async handler(
    { data: { kind, accountId, locale } },
    { services: { accounts, mailer, publicUrl } }: { services: Services },
  ) {
    const account = await accounts.findById(accountId)
    if (account === null || account.disabled) return
    const recipient = { to: account.email, name: account.name, locale }
    if (kind === 'invitation') {
      const link = `${publicUrl}/invitation#token=${await issueInvitationToken(accounts, accountId)}`
      return mailer.send(invitationMail({ ...recipient, link, days: invitationDays }))
    }
    if (account.emailVerified) return
    const link = `${publicUrl}/verify-email#token=${await issueVerificationToken(accounts, accountId)}`
    await mailer.send(verificationMail({ ...recipient, link, hours: verificationHours }))
  },
})
