import { z } from 'zod'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import { locales } from '../../shared/locales/locales.ts'
import type { Mailer } from '../../shared/mail/mailer.ts'
import { signInNoticeMail } from '../../shared/mail/messages.ts'
import { defineJob } from '../../shared/queues/job.ts'

export interface Services {
  readonly accounts: Pick<AccountStore, 'findById'>
  readonly mailer: Pick<Mailer, 'send'>
  /** Where people reach the server, without a trailing slash. */
  readonly publicUrl: string
}

/** Tells the owner of an account that someone has signed in from a device that none of the other sessions is from. */
export const signInNotice = defineJob({
  name: 'sign-in-notice',
  payload: z.strictObject({
    accountId: z.string().max(64),
    /** Milliseconds since 1970. */
    at: z.int(),
    ip: z.string().max(64).nullable(),
    userAgent: z.string().max(256).nullable(),
    locale: z.enum(locales).optional(),
  }),
  attempts: 8,
  backoff: { type: 'exponential', delayMs: 2_000 },
  async handler(
    { data: { accountId, ...signIn } },
    { services: { accounts, mailer, publicUrl } }: { services: Services },
  ) {
    const account = await accounts.findById(accountId)
    if (account === null) return
    const { email: to, name } = account
    await mailer.send(signInNoticeMail({ to, name, page: `${publicUrl}/account`, ...signIn }))
  },
})
