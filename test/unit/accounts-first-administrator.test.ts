import { expect } from 'chai'
import type { AccountStore, NewAccount } from '../../shared/accounts/accounts.ts'
import { ensureFirstAdministrator } from '../../shared/accounts/first-administrator.ts'
import { ConfigurationError } from '../../shared/kernel/errors.ts'
import { rejectionOf } from '../contracts/accounts.ts'

const passwords = { hash: async (password: string) => `hash of ${password}` }

/** A store without accounts, in which another host may be about to create the same one. */
function emptyStore({ taken = false } = {}) {
  const wanted: NewAccount[] = []
  return {
    wanted,
    count: async () => 0,
    async create(account: NewAccount) {
      wanted.push(account)
      if (taken) return 'email-taken'
      const { passwordHash: _, ...shown } = account
      const rest = {
        id: 'id',
        disabled: false,
        lineage: 'one',
        emailVerified: false,
        tier: 'free',
        version: 1,
      }
      return { ...shown, ...rest, createdAt: 0, updatedAt: 0 }
    },
  } satisfies Pick<AccountStore, 'count' | 'create'> & { wanted: NewAccount[] }
}

const unconfigured = { email: null, password: null }

describe('the first administrator', () => {
  it('is created as configured, with the roles user and admin', async () => {
    const accounts = emptyStore()
    const configured = { email: 'root@example.com', password: 'nine owls at noon' }
    const result = await ensureFirstAdministrator(accounts, passwords, configured)
    expect(result).to.deep.equal({ email: 'root@example.com', generatedPassword: null })
    expect(accounts.wanted).to.deep.equal([
      {
        email: 'root@example.com',
        name: 'Administrator',
        roles: ['user', 'admin'],
        passwordHash: 'hash of nine owls at noon',
      },
    ])
  })

  it('gets an address and a password of its own when none are configured', async () => {
    const accounts = emptyStore()
    const result = await ensureFirstAdministrator(accounts, passwords, unconfigured)
    expect(result?.email).to.equal('admin@localhost')
    expect(result?.generatedPassword).to.match(/^[2-9a-z-]{29}$/)
    expect(accounts.wanted[0]?.passwordHash).to.equal(`hash of ${result?.generatedPassword}`)
  })

  it('is not created while there is any account', async () => {
    const accounts = { ...emptyStore(), count: async () => 1 }
    expect(await ensureFirstAdministrator(accounts, passwords, unconfigured)).to.equal(null)
    expect(accounts.wanted).to.deep.equal([])
  })

  it('gives way to that of another host which was faster', async () => {
    const accounts = emptyStore({ taken: true })
    expect(await ensureFirstAdministrator(accounts, passwords, unconfigured)).to.equal(null)
  })

  it('a weak password is refused with the name of its variable, and not repeated', async () => {
    for (const weak of ['short', 'password123', 'root@example.com']) {
      const accounts = emptyStore()
      const configured = { email: 'root@example.com', password: weak }
      const failure = await rejectionOf(ensureFirstAdministrator(accounts, passwords, configured))
      expect(failure).to.be.instanceOf(ConfigurationError)
      expect(failure.message)
        .to.match(/^ADMIN_PASSWORD (must|is)/)
        .and.not.include(weak)
      expect(accounts.wanted).to.deep.equal([])
    }
  })
})
