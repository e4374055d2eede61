import { subjectOf } from './account-subject.ts'
import type { AccountStore, Passwords } from './accounts.ts'
import type { IdentityProvider } from './identity-provider.ts'

/** Stands for every account that does not exist, so that asking for one costs what asking for a real one costs. */
const nobody = 'nobody'

/** Signing in with an e-mail address and a password, against our own accounts. */
export function createAccountIdentity(parts: {
  readonly accounts: Pick<AccountStore, 'findByEmail' | 'findById' | 'passwordHash'>
  readonly passwords: Pick<Passwords, 'verify'>
}): IdentityProvider {
  const { accounts, passwords } = parts
  return {
    async identify(email) {
      return (await accounts.findByEmail(email))?.id ?? null
    },

    async verify(id, password, refuse) {
      const [account, hash] = await Promise.all([
        accounts.findById(id ?? nobody),
        accounts.passwordHash(id ?? nobody),
      ])
      const matches = await passwords.verify(hash, password)
      if (!account || !matches) return null
      if (account.disabled) {
        refuse?.('disabled')
        return null
      }
      return subjectOf(account)
    },
  }
}
