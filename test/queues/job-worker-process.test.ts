import { expect } from 'chai'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { createQueuedMailer } from '../../shared/mail/queued-mailer.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { echo } from '../../workers/jobs/echo.ts'
import { mail } from '../../workers/jobs/mail.ts'
import { jobs } from '../../workers/jobs.ts'
import { trackChild } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('the process of a job worker', function () {
  this.timeout(30_000)
  let server: TestRedis
  let redis: Redis
  let queues: Queues
  let dataDir: string

  function startProcess(env: Record<string, string>): {
    child: ChildProcess
    exited: Promise<[number | null]>
  } {
    const child = fork(new URL('../../workers/main.ts', import.meta.url), {
      execArgv: ['--import', 'tsx'],
      env: { PATH: process.env.PATH ?? '', DATA_DIR: dataDir, LOG_LEVEL: 'error', ...env },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    trackChild(child.pid as number, 'a job worker of a test')
    return { child, exited: once(child, 'exit') as Promise<[number | null]> }
  }

  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'lockstep-jobs-'))
    server = await startRedis()
    redis = openRedis({ kind: 'single', url: server.url }, 'commands')
    queues = createQueues({ redis, jobs })
    await queues.start()
  })
  after(async () => {
    await queues.stop(deadlineIn(1_000))
    redis.disconnect()
    await server.stop()
    await rm(dataDir, { recursive: true })
  })

  it('says that it is ready, does jobs, sends mail, and ends with 0 when it is told to stop', async () => {
    const { child, exited } = startProcess({
      REDIS_URL: server.url,
      LOCKSTEP_ROLE: 'jobs',
      LOCKSTEP_SLOT: '3',
      LOCKSTEP_INSTANCE: 'abc',
      LOCKSTEP_KEY_SPACE: '',
    })
    expect((await once(child, 'message'))[0]).to.deep.equal({ type: 'ready', port: null, memberId: null })

    const { id } = await queues.enqueue(echo, { message: 'hello' })
    await eventually(async () => {
      expect(await queues.find('echo', id)).to.deep.include({
        state: 'completed',
        result: { message: 'hello' },
      })
    })
    const mailer = createQueuedMailer((letter) => queues.enqueue(mail, letter))
    await mailer.send({ to: 'ada@example.com', subject: 'hello', text: 'a link that is a key' })
    await eventually(async () => expect(await readdir(join(dataDir, 'mail'))).to.have.length(1))
    await eventually(async () => {
      const { waiting, active, completed, failed } = (await queues.measure())['mail'] ?? {}
      expect({ waiting, active, completed, failed }, 'nothing of the mail stays in Redis').to.deep.equal({
        waiting: 0,
        active: 0,
        completed: 0,
        failed: 0,
      })
    })

    child.send({ type: 'stop', graceMs: 2_000 })
    expect((await exited)[0]).to.equal(0)
  })

  it('ends by itself when the primary vanishes', async () => {
    const { child, exited } = startProcess({ REDIS_URL: server.url })
    await once(child, 'message')
    child.disconnect()
    expect((await exited)[0]).to.equal(1)
  })

  it('says why it cannot start, without a Redis and with one that does not answer', async () => {
    const without = startProcess({})
    expect((await once(without.child, 'message'))[0])
      .to.have.property('reason')
      .that.matches(/REDIS_URL/)
    expect((await without.exited)[0]).to.equal(78)
    const unreachable = startProcess({ REDIS_URL: 'redis://127.0.0.1:1' })
    expect((await once(unreachable.child, 'message'))[0]).to.have.property('type', 'failed')
    expect((await unreachable.exited)[0]).to.equal(1)
  })
})
