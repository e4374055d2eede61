import { z } from 'zod'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import { invitationDays, issueInvitationToken } from '../../shared/accounts/mail-tokens.ts'
import { defaultRoles } from '../../shared/accounts/roles.ts'
import { locales } from '../../shared/locales/locales.ts'
import type { Mailer } from '../../shared/mail/mailer.ts'
import { registeredBeforeMail, registrationMail } from '../../shared/mail/messages.ts'
import { defineJob } from '../../shared/queues/job.ts'

export interface Services {
  readonly accounts: Pick<AccountStore, 'create' | 'findByEmail' | 'addResetToken'>
  readonly mailer: Pick<Mailer, 'send'>
  readonly publicUrl: string
}

/**
 * Someone registered themselves. Whether the address has an account is found out here and not in the request, so that
 * the request's answer can't tell. The account that is made has a password that no one knows: who reads the mail sets
 * another, and has proven the address with it. Done again (a lost connection to the mail server) it ends in the same.
 */
export const registration = defineJob({
  name: 'registration',
  payload: z.strictObject({
    email: z.string().max(254),
    name: z.string().max(100),
    passwordHash: z.string().max(512),
    locale: z.enum(locales).optional(),
  }),
  attempts: 8,
  backoff: { type: 'exponential', delayMs: 2_000 },
  secretFields: ['passwordHash'],
  async handler(
    { data: { locale, ...fields } },
    { services: { accounts, mailer, publicUrl } }: { services: Services },
  ) {
    const created = await accounts.create({ ...fields, roles: defaultRoles })
    const account = created === 'email-taken' ? await accounts.findByEmail(fields.email) : created
    if (account === null || account.disabled) return
    const recipient = { to: account.email, name: account.name, locale }
    if (account.emailVerified) {
      const pages = { signIn: `${publicUrl}/sign-in`, reset: `${publicUrl}/reset` }
      return mailer.send(registeredBeforeMail({ ...recipient, ...pages }))
    }
    const link = `${publicUrl}/invitation#token=${await issueInvitationToken(accounts, account.id)}`
    await mailer.send(registrationMail({ ...recipient, link, days: invitationDays }))
  },
})
