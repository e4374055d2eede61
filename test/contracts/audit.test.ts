import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPostgresAccounts } from '../../shared/accounts/postgres/open-postgres.ts'
import { openSqliteAccounts } from '../../shared/accounts/sqlite/open-sqlite.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { describeAuditTrail } from './audit.ts'

describe('in SQLite', () => {
  let directory: string
  let files = 0

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lockstep-audit-'))
  })
  after(() => rm(directory, { recursive: true, force: true }))

  describeAuditTrail('SQLite', async () => openSqliteAccounts({ file: join(directory, `${++files}.sqlite`) }))
})

describe('in Postgres', function () {
  this.timeout(60_000)
  let postgres: TestPostgres

  before(async function () {
    this.timeout(300_000)
    postgres = await startPostgres()
  })
  after(() => postgres.stop())

  describeAuditTrail('Postgres', async () =>
    openPostgresAccounts({ url: await postgres.createDatabase(), timeoutMs: 10_000 }),
  )
})
