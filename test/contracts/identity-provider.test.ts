import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAccountIdentity } from '../../shared/accounts/account-identity.ts'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { createPasswords } from '../../shared/accounts/passwords.ts'
import type { DatabaseTarget } from '../../shared/config/config.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { describeIdentityProvider, type IdentitySubject } from './identity-provider.ts'

const stores: AccountStore[] = []

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.stop(deadlineIn(5_000))))
})

async function ourAccounts(target: DatabaseTarget): Promise<IdentitySubject> {
  const accounts = openAccounts(target, { timeoutMs: 10_000 })
  stores.push(accounts)
  await accounts.migrate()
  await accounts.start()
  const passwords = createPasswords()
  let compared = 0
  const user = { name: 'ada@example.com', secret: 'four wooden spoons', roles: ['user', 'operator'] }
  const barred = { name: 'eve@example.com', secret: 'five wooden spoons' }
  const add = async ({ name, secret }: { name: string; secret: string }, roles: readonly string[]) => {
    const account = { email: name, name: 'Somebody', roles, passwordHash: await passwords.hash(secret) }
    const created = await accounts.create(account)
    if (created === 'email-taken') throw new Error(`${name} is there already`)
    return created
  }
  const { id } = await add(user, user.roles)
  await accounts.update((await add(barred, ['user'])).id, { disabled: true })
  return {
    provider: createAccountIdentity({
      accounts,
      passwords: {
        verify(hash, password) {
          compared++
          return passwords.verify(hash, password)
        },
      },
    }),
    user,
    barred,
    unknownName: 'nobody@example.com',
    comparisons: () => compared,
    changeSecret: async (secret) => void (await accounts.setPassword(id, await passwords.hash(secret))),
    breakDown: () => accounts.stop(deadlineIn(5_000)),
  }
}

describe('identity providers', function () {
  this.timeout(60_000)
  let directory: string
  let postgres: TestPostgres
  let files = 0

  before(async function () {
    this.timeout(300_000)
    directory = await mkdtemp(join(tmpdir(), 'lockstep-identity-'))
    postgres = await startPostgres()
  })

  after(async () => {
    await postgres?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  describeIdentityProvider('our accounts in SQLite', () =>
    ourAccounts({ kind: 'sqlite', file: join(directory, `${files++}.sqlite`) }),
  )

  describeIdentityProvider('our accounts in Postgres', async () =>
    ourAccounts({ kind: 'postgres', url: await postgres.createDatabase() }),
  )
})
