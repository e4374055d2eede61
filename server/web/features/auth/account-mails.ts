import type { Account } from '../../../../shared/accounts/accounts.ts'
import type { Locale } from '../../../../shared/locales/locales.ts'
import type { Queues } from '../../../../shared/queues/queues.ts'
import { accountMail, registration } from '../../../jobs.ts'

/** Mails to the owners of accounts, each with a link. Each resolves when the mail will be sent. */
export interface AccountMails {
  /** To someone whose account was made for them: to set a first password. */
  invite(account: Pick<Account, 'id'>, locale?: Locale): Promise<void>
  /** To confirm the address. */
  verify(account: Pick<Account, 'id'>, locale?: Locale): Promise<void>
  /** To someone who registered: makes the account, if the address has none, and takes the same time if it has. */
  register(
    person: { readonly email: string; readonly name: string; readonly passwordHash: string },
    locale?: Locale,
  ): Promise<void>
}

export function createAccountMails(queues: Pick<Queues, 'enqueue'>): AccountMails {
  const ask = async (kind: 'invitation' | 'verification', { id }: Pick<Account, 'id'>, locale?: Locale) => {
    await queues.enqueue(accountMail, { kind, accountId: id, ...(locale ? { locale } : {}) })
  }
  return {
    invite: (account, locale) => ask('invitation', account, locale),
    verify: (account, locale) => ask('verification', account, locale),
    async register(person, locale) {
      await queues.enqueue(registration, { ...person, ...(locale ? { locale } : {}) })
    },
  }
}
