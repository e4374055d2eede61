import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAccountIdentity } from '../../shared/accounts/account-identity.ts'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { createPasswords } from '../../shared/accounts/passwords.ts'
import type { DatabaseTarget } from '../../shared/config/config.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { expect } from 'chai'
import { accountsContract, type AccountsUnderTest } from 'lockstep/testing'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'

const stores: AccountStore[] = []

afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.stop(deadlineIn(5_000))))
})

async function ourAccounts(target: DatabaseTarget): Promise<AccountsUnderTest> {
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

function describeAccounts(name: string, prepare: () => Promise<AccountsUnderTest> | AccountsUnderTest): void {
  describe(`who may sign in, by ${name}`, () => {
    for (const check of accountsContract(prepare)) it(check.name, check.run)
  })
}

/** As an application may have them. `flaw` is what it does wrong. */
function usersInMemory(flaw?: 'forgets nobody' | 'answers an outage' | 'reads too early'): AccountsUnderTest {
  const user = { name: 'ada@example.com', secret: 'four wooden spoons', roles: ['customer'] }
  let { secret } = user
  let early = secret
  let isAway = false
  let compared = 0
  const ask = () => {
    if (isAway && flaw !== 'answers an outage') throw new Error('the table is away')
  }
  return {
    user,
    unknownName: 'nobody@example.com',
    comparisons: () => compared,
    changeSecret: (next) => void (secret = next),
    breakDown: () => void (isAway = true),
    provider: {
      identify(name) {
        ask()
        early = secret
        return name === user.name ? '42' : null
      },
      verify(id, given) {
        ask()
        if (id === null && flaw === 'forgets nobody') return null
        compared++
        const matches = given === (flaw === 'reads too early' ? early : secret)
        return id === '42' && matches ? { id, roles: user.roles } : null
      },
    },
  }
}

async function failuresOf(flaw?: Parameters<typeof usersInMemory>[0]): Promise<string[]> {
  const failed: string[] = []
  for (const { name, run } of accountsContract(() => usersInMemory(flaw))) {
    await run().catch(() => failed.push(name))
  }
  return failed
}

describe('The contract of accounts', () => {
  describeAccounts('the users of an application', () => usersInMemory())

  for (const [flaw, found] of [
    ['forgets nobody', 'nobody costs the same work as somebody, so that the time tells nothing'],
    ['answers an outage', 'an outage is thrown, and never taken for a name or a secret that is wrong'],
    ['reads too early', 'a secret that was changed after the name was identified is the one that counts'],
  ] as const) {
    it(`finds an implementation that ${flaw}`, async () => {
      expect(await failuresOf(flaw)).to.deep.equal([found])
    })
  }
})

describe('identity providers in SQLite', () => {
  let directory: string
  let files = 0

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lockstep-identity-'))
  })
  after(() => rm(directory, { recursive: true, force: true }))

  describeAccounts('our accounts in SQLite', () =>
    ourAccounts({ kind: 'sqlite', file: join(directory, `${files++}.sqlite`) }),
  )
})

describe('identity providers in Postgres', function () {
  this.timeout(60_000)
  let postgres: TestPostgres

  before(async function () {
    this.timeout(300_000)
    postgres = await startPostgres()
  })
  after(() => postgres?.stop())

  describeAccounts('our accounts in Postgres', async () =>
    ourAccounts({ kind: 'postgres', url: await postgres.createDatabase() }),
  )
})
