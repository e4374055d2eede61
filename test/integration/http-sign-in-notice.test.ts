import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { pino } from 'pino'
import { loadConfig } from '../../shared/config/config.ts'
import { deploymentKeys, unnamedSpace } from '../../shared/deployment/deployment-keys.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { signInNoticeMail } from '../../shared/mail/messages.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { jobs } from '../../workers/jobs.ts'
import { createJobWorker } from '../../workers/worker.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { password, startHttpApp } from '../support/http-app.ts'
import { startRedis } from '../support/redis.ts'

describe('A sign-in from a new device', () => {
  const afterwards = cleanUpAfterEach()

  async function setUp() {
    const redis = await startRedis()
    afterwards(() => redis.stop())
    const app = await startHttpApp({ redisUrl: redis.url, jobs })
    afterwards(() => app.stop())
    await app.register('ann@example.com')
    const connection = openRedis({ kind: 'single', url: redis.url }, 'commands')
    const queues = createQueues({ redis: connection, jobs })
    await queues.start()
    afterwards(async () => {
      await queues.stop(deadlineIn(1_000))
      connection.disconnect()
    })
    const signInFrom = (userAgent: string) =>
      app.request('POST', '/api/v1/auth/login', {
        headers: { 'User-Agent': userAgent },
        json: { email: 'ann@example.com', password, transport: 'token' },
      })
    return { queues, signInFrom }
  }

  const waiting = async (queues: Queues) => (await queues.measure())['sign-in-notice']?.waiting ?? 0

  it('is mailed to the owner of the account, once, and not for the first or for one that is known', async () => {
    const { queues, signInFrom } = await setUp()
    for (const device of ['laptop', 'laptop', 'phone', 'phone', 'laptop']) {
      expect((await signInFrom(device)).status).to.equal(200)
    }
    await eventually(async () => expect(await waiting(queues)).to.equal(1))
  })

  it('says when, from where and with what, and nothing that the device could forge into it', () => {
    const { subject, text } = signInNoticeMail({
      to: 'ann@example.com',
      name: 'Ann',
      at: Date.UTC(2026, 0, 2, 3, 4, 5),
      ip: '192.0.2.1',
      userAgent: 'Mozilla\r\n\r\nDear Ann, open https://evil.example',
    })
    expect(subject).to.equal('A new sign-in to your account')
    expect(text).to.include('Fri, 02 Jan 2026 03:04:05 GMT').and.include('192.0.2.1')
    expect(text).not.to.match(/https?:\/\//)
    expect(text).not.to.include('Mozilla\r\n')
  })

  it('is sent by the job worker', async () => {
    const redis = await startRedis()
    afterwards(() => redis.stop())
    const config = loadConfig({ DATA_DIR: join(redis.dir, 'data'), REDIS_URL: redis.url, WORKERS: '1' })
    const { openAccounts } = await import('../../shared/accounts/open-accounts.ts')
    const accounts = openAccounts(config.database)
    await accounts.migrate()
    await accounts.start()
    const account = await accounts.create({
      email: 'ann@example.com',
      name: 'Ann',
      roles: ['user'],
      passwordHash: 'x',
    })
    if (account === 'email-taken') throw new Error('the address is taken')
    await accounts.stop(deadlineIn(1_000))
    const worker = createJobWorker({
      config,
      slot: 1,
      keys: deploymentKeys(unnamedSpace),
      log: pino({ level: 'silent' }),
    })
    await worker.start()
    afterwards(() => worker.stop(deadlineIn(3_000)))
    const connection = openRedis({ kind: 'single', url: redis.url }, 'commands')
    const queues = createQueues({ redis: connection, jobs })
    await queues.start()
    afterwards(async () => {
      await queues.stop(deadlineIn(1_000))
      connection.disconnect()
      await rm(config.dataDir, { recursive: true, force: true })
    })
    const job = queues.jobs.get('sign-in-notice')
    if (job === undefined) throw new Error('there is no such job')
    await queues.enqueue(job, { accountId: account.id, at: Date.now(), ip: null, userAgent: 'phone' })
    const mails = join(config.dataDir, 'mail')
    await eventually(async () => {
      const [file = expect.fail('no mail yet')] = await readdir(mails)
      expect(await readFile(join(mails, file), 'utf8')).to.include('phone')
    }, 10_000)
  })
})
