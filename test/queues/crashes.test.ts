import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { defineJob } from '../../shared/queues/job.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { readRuns, startJobProcess, type JobProcess } from './fixtures/job-processes.ts'

/** 1,000 with LOCKSTEP_TEST_LONG, for a machine with the time. */
const jobCount = process.env.LOCKSTEP_TEST_LONG ? 1_000 : 200

const count = defineJob({
  name: 'count',
  payload: z.strictObject({ n: z.number().optional(), ms: z.number().optional() }),
  handler: async () => {},
})

describe('jobs on real processes', function () {
  this.timeout(120_000)
  let server: TestRedis
  let redis: Redis
  let queues: Queues
  let processes: JobProcess[] = []

  async function startProcess(slow = {}): Promise<JobProcess> {
    const recovery = { lockMs: 1_000, stalledCheckMs: 250, ...slow }
    const started = await startJobProcess({
      redisUrl: server.url,
      schedules: [],
      recovery,
      logLevel: 'silent',
    })
    processes.push(started)
    return started
  }

  before(async () => {
    server = await startRedis()
    redis = openRedis({ kind: 'single', url: server.url }, 'commands')
    queues = createQueues({ redis, jobs: [count] })
    await queues.start()
  })
  beforeEach(() => redis.flushall())
  afterEach(async () => {
    await Promise.all(processes.map((one) => one.stop()))
    processes = []
  })
  after(async () => {
    await queues.stop(deadlineIn(1_000))
    redis.disconnect()
    await server.stop()
  })

  it(`are done exactly as they were acknowledged, all ${jobCount}, though workers are killed -9`, async () => {
    await Promise.all([startProcess(), startProcess(), startProcess(), startProcess()])
    const acknowledged = new Set<string>()
    const enqueueing = Promise.all(
      Array.from({ length: jobCount }, async (_, n) => {
        const { id } = await queues.enqueue(count, { n, ms: 50 + (n % 100) })
        acknowledged.add(id)
      }),
    )
    for (const share of [0.1, 0.3, 0.5]) {
      await eventually(
        async () => expect(await readRuns(redis)).to.have.length.above(share * jobCount),
        30_000,
      )
      await processes[0]?.kill()
      processes.shift()
    }
    await enqueueing
    const done = await eventually(async () => {
      const ids = new Set((await readRuns(redis)).filter(({ event }) => event === 'done').map(({ id }) => id))
      expect(ids.size).to.be.at.least(jobCount)
      return ids
    }, 60_000)
    expect(done).to.deep.equal(acknowledged)
    await eventually(async () => {
      expect((await queues.measure())['count']).to.deep.include({ waiting: 0, active: 0, failed: 0 })
    })
    const attempts = (await readRuns(redis)).map(({ attempt }) => attempt)
    expect(Math.max(...attempts), 'a killed worker costs no attempt').to.equal(1)
  })

  it('are taken over at once when it is known that their worker is dead, and not from one that lives', async () => {
    // Nobody would look for them before the test is over.
    const slow = { lockMs: 600_000, stalledCheckMs: 600_000 }
    const [dead, living] = [await startProcess(slow), await startProcess(slow)]
    const asked = await Promise.all(
      Array.from({ length: 10 }, (_, n) => queues.enqueue(count, { n, ms: 2_000 })),
    )
    await eventually(async () => expect(await readRuns(redis)).to.have.length(10))
    await dead.kill()
    processes = processes.filter((one) => one !== dead)
    living.tellDeparted(dead.name)
    const done = await eventually(async () => {
      const ids = (await readRuns(redis)).filter(({ event }) => event === 'done').map(({ id }) => id)
      expect(ids).to.have.length(10)
      return ids
    }, 15_000)
    expect(done).to.have.members(asked.map(({ id }) => id))
    const runs = await readRuns(redis)
    expect(runs.filter(({ event }) => event === 'started')).to.have.length(15)
    expect(Math.max(...runs.map(({ attempt }) => attempt)), 'it costs no attempt').to.equal(1)
  })

  it('are taken over within the grace when their process is drained, at their first attempt', async () => {
    const leaving = await startProcess()
    const { id } = await queues.enqueue(count, { n: 1, ms: 60_000 })
    await eventually(async () => expect(await readRuns(redis)).to.have.length(1))
    await startProcess()
    expect(await leaving.stop(1_500)).to.equal(0)
    const runs = await eventually(async () => {
      const all = await readRuns(redis)
      expect(all).to.have.length(2)
      return all
    })
    expect(runs.map(({ attempt }) => attempt)).to.deep.equal([1, 1])
    expect(new Set(runs.map(({ pid }) => pid)).size).to.equal(2)
    expect(await queues.bull('count').getJob(id)).to.deep.include({ attemptsMade: 0, stalledCounter: 0 })
  })
})
