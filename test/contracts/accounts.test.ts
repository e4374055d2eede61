import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import Database from 'libsql'
import pg from 'pg'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { openPostgresAccounts } from '../../shared/accounts/postgres/open-postgres.ts'
import { openSqliteAccounts } from '../../shared/accounts/sqlite/open-sqlite.ts'
import { ConfigurationError, Unavailable } from '../../shared/kernel/errors.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'
import { query, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { describeAccountStore, rejectionOf } from './accounts.ts'

let directory: string
let files = 0

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-accounts-'))
})

after(() => rm(directory, { recursive: true, force: true }))

function newFile(): string {
  return join(directory, `${++files}`, 'accounts.sqlite')
}

describeAccountStore('SQLite', async () => {
  const file = newFile()
  return {
    open: () => openSqliteAccounts({ file }),
    execute: async (statement) => {
      const handle = new Database(file)
      handle.exec(statement)
      handle.close()
    },
  }
})

describe('accounts in an SQLite file', () => {
  let file: string
  let accounts: AccountStore

  beforeEach(async () => {
    file = newFile()
    accounts = openAccounts({ kind: 'sqlite', file }, { timeoutMs: 150 })
    await accounts.migrate()
    await accounts.start()
  })

  afterEach(() => accounts.stop(deadlineIn(1_000)))

  it('nobody but the owner can read it, nor what SQLite puts beside it', async () => {
    const names = await readdir(join(file, '..'))
    expect(names).to.include('accounts.sqlite-wal')
    for (const name of names) expect((await stat(join(file, '..', name))).mode & 0o777).to.equal(0o600)
  })

  it('a file that was readable by all is closed to them', async () => {
    await accounts.stop(deadlineIn(1_000))
    await chmod(file, 0o644)
    await accounts.start()
    expect((await stat(file)).mode & 0o777).to.equal(0o600)
  })

  it('while another process holds the file writes say that it is unavailable, and reads go on', async () => {
    const other = new Database(file)
    other.exec('begin immediate')
    const attempt = accounts.create({ email: 'a@x.org', name: 'A', roles: [], passwordHash: 'h' })
    expect(await rejectionOf(attempt)).to.be.instanceOf(Unavailable)
    const change = accounts.setPassword('nobody', 'h')
    expect(await rejectionOf(change)).to.be.instanceOf(Unavailable)
    expect(await accounts.count()).to.equal(0)
    other.exec('commit')
    expect(await accounts.setPassword('nobody', 'h')).to.equal('gone')
    other.close()
  })

  it('a write waits for another process that is done in time, and the process goes on meanwhile', async () => {
    const patient = openSqliteAccounts({ file, timeoutMs: 10_000 })
    await patient.start()
    const other = new Database(file)
    other.exec('begin immediate')
    const write = patient.setPassword('nobody', 'h')
    let turns = 0
    await eventually(() => expect(++turns).to.be.above(5))
    other.exec('commit')
    expect(await write).to.equal('gone')
    other.close()
    await patient.stop(deadlineIn(1_000))
  })

  it('operations that wait behind one that hangs are bounded too', async () => {
    const other = new Database(file)
    other.exec('begin immediate')
    const attempts = Array.from({ length: 30 }, () => rejectionOf(accounts.setPassword('nobody', 'h')))
    for (const failure of await Promise.all(attempts)) expect(failure).to.be.instanceOf(Unavailable)
    other.exec('commit')
    other.close()
    expect(await accounts.setPassword('nobody', 'h')).to.equal('gone')
  })

  it('a file that is something else is refused by name, and left as it is', async () => {
    const foreign = join(directory, 'letter.txt')
    const letter = 'Dear Ada, '.repeat(1_000)
    await writeFile(foreign, letter)
    const failure = await rejectionOf(openSqliteAccounts({ file: foreign }).start())
    expect(failure).to.be.instanceOf(ConfigurationError)
    expect(failure.message).to.include('letter.txt').and.to.include('not an SQLite database')
    expect((await stat(foreign)).size).to.equal(letter.length)
  })

  it('a place where no file can be is refused by name', async () => {
    const failure = await rejectionOf(openSqliteAccounts({ file: directory }).start())
    expect(failure).to.be.instanceOf(ConfigurationError)
    expect(failure.message).to.include(directory)
  })
})

describe('with a real Postgres', function () {
  this.timeout(60_000)
  let postgres: TestPostgres

  before(async function () {
    this.timeout(300_000)
    postgres = await startPostgres()
  })

  after(() => postgres.stop())

  describeAccountStore('Postgres', async () => {
    const url = await postgres.createDatabase()
    return {
      open: () => openPostgresAccounts({ url, timeoutMs: 10_000 }),
      execute: (statement) => query(url, statement),
    }
  })

  describe('that goes away', () => {
    const timeoutMs = 300
    let url: string
    let accounts: AccountStore

    beforeEach(async () => {
      url = await postgres.createDatabase()
      accounts = openAccounts({ kind: 'postgres', url }, { timeoutMs })
      await accounts.migrate()
      await accounts.start()
    })

    afterEach(async () => {
      await postgres.kill('SIGCONT')
      await accounts.stop(deadlineIn(1_000))
    })

    const operations: Record<string, () => Promise<unknown>> = {
      ping: () => accounts.ping(),
      count: () => accounts.count(),
      findByEmail: () => accounts.findByEmail('a@x.org'),
      create: () => accounts.create({ email: 'b@x.org', name: 'B', roles: [], passwordHash: 'h' }),
      setPassword: () => accounts.setPassword('nobody', 'h'),
      resetPassword: () => accounts.resetPassword('nothing', 'h', 0),
    }

    async function expectAllUnavailable(): Promise<void> {
      for (const [name, operation] of Object.entries(operations)) {
        expect(await rejectionOf(operation()), name).to.be.instanceOf(Unavailable)
      }
    }

    async function expectRecovery(): Promise<void> {
      await eventually(() => accounts.ping(), 15_000)
      expect(await accounts.count()).to.equal(0)
      const created = await accounts.create({ email: 'a@x.org', name: 'A', roles: [], passwordHash: 'h' })
      if (created === 'email-taken') throw new Error('a row from nowhere')
      expect(await accounts.setPassword(created.id, 'i')).to.equal('changed')
      // Seen from outside: it was not written into a transaction that never ends.
      expect(await query(url, 'select password_hash from accounts')).to.deep.equal([{ password_hash: 'i' }])
    }

    it('every operation says so while it is down, and works again without reopening', async () => {
      await accounts.count()
      await postgres.kill('SIGKILL')
      await expectAllUnavailable()
      await postgres.restart()
      await expectRecovery()
    })

    it('every operation says so while it hangs, and works again without reopening', async () => {
      await accounts.count()
      await postgres.kill('SIGSTOP')
      await expectAllUnavailable()
      await postgres.kill('SIGCONT')
      await eventually(() => query(url, 'select 1'))
      await query(url, 'delete from accounts')
      await expectRecovery()
    })

    it('more operations than connections are all answered while it hangs', async () => {
      await postgres.kill('SIGSTOP')
      const attempts = Array.from({ length: 40 }, () => rejectionOf(accounts.count()))
      for (const failure of await Promise.all(attempts)) expect(failure).to.be.instanceOf(Unavailable)
      await postgres.kill('SIGCONT')
      await expectRecovery()
    })

    it('connections that the server ends are replaced, with nobody using them', async () => {
      await accounts.count()
      await query(url, 'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()')
      await expectRecovery()
    })

    it('a lock that another client holds is not waited for beyond the bound', async () => {
      const created = await accounts.create({ email: 'c@x.org', name: 'C', roles: [], passwordHash: 'h' })
      if (created === 'email-taken') throw new Error('a row from nowhere')
      const other = new pg.Client({ connectionString: url })
      await other.connect()
      await other.query('begin; lock table accounts in exclusive mode')
      expect(await rejectionOf(accounts.update(created.id, { name: 'D' }))).to.be.instanceOf(Unavailable)
      await other.end()
      await query(url, 'delete from accounts')
      await expectRecovery()
    })

    it('a start without it fails and leaves nothing open', async () => {
      const store = openPostgresAccounts({ url: 'postgres://nobody@127.0.0.1:1/nothing', timeoutMs })
      expect(await rejectionOf(store.start())).to.be.instanceOf(Unavailable)
      expect(await rejectionOf(store.migrate())).to.be.instanceOf(Unavailable)
      await store.stop(deadlineIn(1_000))
    })
  })
})
