import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { pino } from 'pino'
import type { AccountStore } from '../../shared/accounts/accounts.ts'
import { createAuditIds, type AuditEntry } from '../../shared/accounts/audit.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { loadConfig } from '../../shared/config/config.ts'
import { deploymentKeys, unnamedSpace } from '../../shared/deployment/deployment-keys.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { createScheduleViews } from '../../shared/queues/schedule-views.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { jobs } from '../../workers/jobs.ts'
import { pruneAudit } from '../../workers/jobs/prune-audit.ts'
import { createJobWorker } from '../../workers/worker.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const day = 86_400_000

describe('The audit trail of a running server', () => {
  let dataDir: string
  let server: TestRedis
  let accounts: AccountStore
  let queues: Queues
  const stops: (() => Promise<void>)[] = []

  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'lockstep-audit-'))
    server = await startRedis()
    const config = loadConfig({ REDIS_URL: server.url, DATA_DIR: dataDir, AUDIT_RETENTION: '30d' })
    accounts = openAccounts(config.database)
    await accounts.migrate()
    const redis = openRedis({ kind: 'single', url: server.url }, 'commands')
    queues = createQueues({ redis, jobs })
    const worker = createJobWorker({
      config,
      slot: 1,
      keys: deploymentKeys(unnamedSpace),
      log: pino({ level: 'silent' }),
    })
    for (const service of [redisService(redis), accounts, queues, worker]) {
      await service.start()
      stops.unshift(() => service.stop(deadlineIn(2_000)))
    }
  })
  after(async () => {
    for (const stop of stops) await stop()
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  it('forgets what is older than it is kept, and nothing else', async () => {
    const nextId = createAuditIds()
    const entry = (at: number): AuditEntry => ({
      id: nextId(at),
      at,
      actor: null,
      action: 'login-failed',
      subject: null,
      session: null,
      ip: null,
      requestId: null,
      details: {},
    })
    const old = Array.from({ length: 1_200 }, (_, index) => entry(Date.now() - 31 * day + index))
    const recent = [entry(Date.now() - 29 * day), entry(Date.now())]
    await accounts.audit.append([...old, ...recent])

    const { id } = await queues.enqueue(pruneAudit, {})
    await eventually(async () => {
      const run = await queues.find('prune-audit', id)
      expect(run).to.deep.include({ state: 'completed', result: { pruned: 1_200 } })
    })
    expect(await accounts.audit.list({ limit: 5 })).to.deep.equal([recent[1], recent[0]])
  })

  it('is looked after every night', async () => {
    const redis = openRedis({ kind: 'single', url: server.url }, 'commands')
    const schedules = await createScheduleViews({ redis }).list()
    const schedule = schedules.find(({ name }) => name === 'prune-audit-nightly')
    expect(schedule).to.deep.include({ job: 'prune-audit', overlap: 'forbid' })
    redis.disconnect()
  })
})
