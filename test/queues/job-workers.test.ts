import type { Queue } from 'bullmq'
import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { z } from 'zod'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { createJobWorkers, type JobFailure, type JobWorkers } from '../../shared/queues/job-workers.ts'
import { defineJob, sibling, type Handler, type JobRun } from '../../shared/queues/job.ts'
import { flow } from '../../shared/queues/flow.ts'
import { InvalidPayload } from '../../shared/queues/payload.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { eventually } from '../support/eventually.ts'
import { rejection } from '../support/rejection.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const forever = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

describe('job workers', function () {
  this.timeout(30_000)
  let server: TestRedis
  let redis: Redis
  let queues: Queues
  let workers: JobWorkers[] = []
  let connections: Redis[] = []
  let told: unknown
  let handle: (run: JobRun<{ n: number }>) => Promise<unknown>

  const task = defineJob({
    name: 'task',
    payload: z.strictObject({ n: z.coerce.number() }),
    attempts: 2,
    backoff: { type: 'fixed', delayMs: 10 },
    handler: (run) => handle(run),
  })
  const hasty = defineJob({
    name: 'hasty',
    payload: z.strictObject({}),
    attempts: 1,
    timeoutMs: 100,
    handler: ({ signal }) => forever(signal).catch((reason: unknown) => (told = reason)),
  })
  const sandboxed = {
    payload: z.strictObject({ what: z.string() }),
    attempts: 1,
    sandbox: sibling(import.meta.url, 'fixtures/busy.sandbox'),
  }
  const busy = defineJob({ ...sandboxed, name: 'busy' })
  const hung = defineJob({ ...sandboxed, name: 'hung', timeoutMs: 500 })
  const jobs = [task, hasty, busy, hung]

  const log = pino({ level: 'silent' })

  function connect(): Redis {
    const connection = openRedis({ kind: 'single', url: server.url }, 'blocking')
    connections.push(connection)
    return connection
  }

  async function startWorkers(
    recovery = {},
    asked = queues,
    onFailed: (failure: JobFailure) => void = () => {},
  ): Promise<JobWorkers> {
    const started = createJobWorkers({
      connect,
      queues: asked,
      onFailed,
      jobs,
      services: undefined,
      log,
      threads: {
        execArgv: ['--import', new URL('./fixtures/typescript-in-threads.js', import.meta.url).href],
      },
      recovery: { lockMs: 900, stalledCheckMs: 200, ...recovery },
    })
    await started.start()
    workers.push(started)
    return started
  }

  async function finished(name: string, id: string) {
    return eventually(async () => {
      const job = await queues.find(name, id)
      expect(job?.state).to.match(/completed|failed|cancelled/)
      return job
    }, 15_000)
  }

  before(async () => {
    server = await startRedis()
    redis = openRedis({ kind: 'single', url: server.url }, 'commands')
    queues = createQueues({ redis, jobs })
    await queues.start()
  })
  beforeEach(() => redis.flushall())
  afterEach(async () => {
    await Promise.all(workers.map((one) => one.stop(deadlineIn(1_000))))
    workers = []
    connections = []
  })
  after(async () => {
    await queues.stop(deadlineIn(1_000))
    redis.disconnect()
    await server.stop()
  })

  it('are replaced when they are dead after a reconnect', async () => {
    handle = async () => 'alive'
    await startWorkers()
    const opened = connections.length
    for (const connection of connections) connection.disconnect()
    const { id } = await queues.enqueue(task, { n: 1 })
    expect(await finished('task', id)).to.deep.include({ state: 'completed', result: 'alive' })
    expect(connections.length).to.be.above(opened)
  })

  it('are replaced when they are dead while a delayed job is overdue', async () => {
    handle = async () => 'alive'
    await startWorkers()
    const opened = connections.length
    for (const connection of connections) connection.disconnect()
    const { id } = await queues.enqueue(task, { n: 1 }, { delayMs: 300 })
    expect(await finished('task', id)).to.deep.include({ state: 'completed', result: 'alive' })
    expect(connections.length).to.be.above(opened)
  })

  for (const [what, hold, release] of [
    [
      'a rate limit',
      (queue: Queue) => queue.setGlobalRateLimit(1, 600_000),
      async (queue: Queue) => {
        await queue.removeGlobalRateLimit()
        await queue.removeRateLimitKey()
      },
    ],
    ['a global concurrency', (queue: Queue) => queue.setGlobalConcurrency(1), async () => {}],
    ['a pause', (queue: Queue) => queue.pause(), (queue: Queue) => queue.resume()],
  ] as const) {
    it(`are not taken for dead while ${what} that was set on the dashboard holds the jobs back`, async () => {
      let finish = () => {}
      const held = new Promise<void>((resolve) => (finish = resolve))
      handle = ({ data }) => (data.n === 1 && what === 'a global concurrency' ? held : Promise.resolve())
      let looks = 0
      const watched: Queues = {
        ...queues,
        bull(name) {
          if (name === 'task') looks += 1
          return queues.bull(name)
        },
      }
      const queue = queues.bull('task')
      await hold(queue)
      await startWorkers({}, watched)
      for (const n of [1, 2]) await queues.enqueue(task, { n })
      const { id } = await queues.enqueue(task, { n: 3 })
      const opened = connections.length
      looks = 0
      await eventually(() => expect(looks).to.be.above(6), 10_000)
      expect(connections.length).to.equal(opened)
      expect((await queues.find('task', id))?.state).to.equal('waiting')
      await release(queue)
      finish()
      expect(await finished('task', id)).to.include({ state: 'completed' })
    })
  }

  it('go on by themselves after Redis was killed and started again', async () => {
    handle = async ({ data }) => data.n
    await startWorkers()
    await server.kill('SIGKILL')
    await server.restart()
    const { id } = await eventually(() => queues.enqueue(task, { n: 7 }), 10_000)
    expect(await finished('task', id)).to.deep.include({ state: 'completed', result: 7 })
  })

  it('load the handler of a job as they start, and those who only enqueue never do', async () => {
    let loads = 0
    const module: { handler?: Handler<{ n: number }, undefined> } = {}
    const lazy = defineJob({
      name: 'lazy',
      payload: z.strictObject({ n: z.number() }),
      load: async () => {
        loads += 1
        return module as Required<typeof module>
      },
    })
    const asking = createQueues({ redis, jobs: [lazy] })
    const { id } = await asking.enqueue(lazy, { n: 3 })
    expect(loads).to.equal(0)
    const options = { connect, queues: asking, jobs: [lazy], services: undefined, log }
    const broken = createJobWorkers(options)
    expect(await rejection(broken.start())).to.be.instanceOf(TypeError)

    module.handler = async ({ data }) => data.n + 1
    const started = createJobWorkers(options)
    workers.push(started)
    await started.start()
    await eventually(async () => expect((await asking.find('lazy', id))?.result).to.equal(4))
    expect(loads).to.equal(2)
    await asking.stop(deadlineIn(1_000))
  })

  it('do a job with its payload as the schema makes it, and keep the result', async () => {
    handle = async ({ data, attempt, progress }) => {
      await progress({ step: 1 })
      return { doubled: data.n * 2, attempt }
    }
    await startWorkers()
    const { id } = await queues.enqueue(task, { n: '21' })
    expect(await finished('task', id)).to.deep.include({
      state: 'completed',
      result: { doubled: 42, attempt: 1 },
      progress: { step: 1 },
    })
  })

  it('try again as often as the job says, then say why it failed', async () => {
    const attempts: number[] = []
    handle = async ({ attempt }) => {
      attempts.push(attempt)
      throw new Error(`broken ${attempt}`)
    }
    const { durations } = await startWorkers()
    const { id } = await queues.enqueue(task, { n: 1 })
    expect(await finished('task', id)).to.deep.include({
      state: 'failed',
      failedReason: 'broken 2',
      attempts: 2,
    })
    expect(attempts).to.deep.equal([1, 2])
    await eventually(() => expect(durations()['task']).to.deep.include({ failed: 2, completed: 0 }))
    expect((await queues.measure())['task']).to.deep.include({ failed: 1, waiting: 0 })
  })

  it('fail a stored payload that the job does not take at once, without running it', async () => {
    handle = async () => expect.fail('it was run')
    await startWorkers()
    const added = await queues.bull('task').add('task', { payload: { n: 'many' } }, { attempts: 5 })
    const job = await finished('task', added.id as string)
    expect(job).to.deep.include({ state: 'failed', attempts: 1 })
    expect(job?.failedReason).to.match(/n: /)
  })

  it('fail a stored job that is damaged at once, and go on with the next one', async () => {
    handle = async () => 'done'
    const { id } = await queues.enqueue(task, { n: 1 })
    await redis.hset(`{lockstep}:task:${id}`, 'data', '{"payload":')
    const next = await queues.enqueue(task, { n: 2 })
    const third = await queues.enqueue(task, { n: 3 })
    await redis.hset(`{lockstep}:task:${third.id}`, 'data', '{"payload":')
    await startWorkers()
    expect(await finished('task', id)).to.deep.include({
      state: 'failed',
      failedReason: 'what is stored is not a job of ours',
    })
    expect(await finished('task', next.id)).to.include({ state: 'completed' })
    expect(await finished('task', third.id)).to.include({ state: 'failed' })
  })

  it('tell of each job that has failed for good, once, and let those be found and done again', async () => {
    const told: JobFailure[] = []
    let broken = true
    handle = async ({ data }) => {
      if (broken) throw new Error(`the printer ${data.n} is on fire`)
      return 'printed'
    }
    const printing = await startWorkers({}, queues, (failure) => void told.push(failure))
    const asked = await Promise.all([1, 2, 3].map((n) => queues.enqueue(task, { n })))
    for (const { id } of asked) await finished('task', id)
    await eventually(() => expect(told).to.have.length(3))
    expect(told.map(({ id }) => id)).to.have.members(asked.map(({ id }) => id))
    expect(told[0]).to.include({ job: 'task', attempts: 2 })
    expect(printing.durations()['task']).to.include({ failed: 6, failedForGood: 3 })

    const found = await queues.failed(task, { reason: 'PRINTER 2' })
    expect(found.map(({ id }) => id)).to.deep.equal([asked[1]?.id])
    expect(await queues.failed(task, { failedBefore: Date.now() - 60_000 })).to.deep.equal([])
    expect(await queues.failed(task, { limit: 1 })).to.have.length(1)
    broken = false
    expect(await queues.retryFailed(task, { reason: 'printer 2' })).to.deep.equal({ retried: 1, skipped: 0 })
    expect(await finished('task', asked[1]!.id)).to.include({ state: 'completed', result: 'printed' })
    await redis.hset(`{lockstep}:task:${asked[0]!.id}`, 'data', '{"payload":{"m":1}}')
    expect(await queues.retryFailed(task)).to.deep.equal({ retried: 1, skipped: 1 })
  })

  it('hold to what a job declares for all processes together, until an operator says otherwise', async () => {
    const declare = (more: object) =>
      defineJob({ name: 'narrow', payload: z.strictObject({}), handler: async () => {}, ...more })
    const limited = declare({ globalConcurrency: 2, rateLimit: { max: 5, perMs: 1_000 } })
    const apply = async (job: typeof limited) => {
      const own = createQueues({ redis, jobs: [job] })
      await own.applyDeclaredLimits()
      const queue = own.bull('narrow')
      const now = [await queue.getGlobalConcurrency(), await queue.getGlobalRateLimit()]
      await own.stop(deadlineIn(1_000))
      return now
    }
    expect(await apply(limited)).to.deep.equal([2, { max: 5, duration: 1_000 }])
    await queues.bull('narrow').setGlobalConcurrency(7)
    expect((await apply(limited))[0], 'set by an operator').to.equal(7)
    expect(await apply(declare({ globalConcurrency: 3 }))).to.deep.equal([3, null])
    expect(await apply(declare({}))).to.deep.equal([null, null])
  })

  it('do the jobs of a flow before the one that waits for them, which sees their results', async () => {
    const results: unknown[] = []
    handle = async ({ data, childResults }) => {
      if (data.n === 13) throw new Error('unlucky')
      if (data.n === 0) results.push(...(await childResults()))
      return data.n * 10
    }
    await startWorkers()
    const child = (n: number, more = {}) => flow(task, { n }, { options: { attempts: 1 }, ...more })
    const sum = await queues.enqueueFlow(
      flow(task, { n: 0 }, { children: [child(1), child(2), child(13, { ifItFails: 'ignore' })] }),
    )
    expect(sum.children.map(({ job }) => job)).to.deep.equal(['task', 'task', 'task'])
    expect(await finished('task', sum.id)).to.include({ state: 'completed' })
    expect(results).to.have.deep.members([
      { job: 'task', id: sum.children[0]?.id, result: 10 },
      { job: 'task', id: sum.children[1]?.id, result: 20 },
    ])

    const doomed = await queues.enqueueFlow(flow(task, { n: 0 }, { children: [child(1), child(13)] }))
    expect(await finished('task', doomed.id)).to.include({ state: 'failed' })

    const before = await queues.measure()
    const wrong = flow(task, { n: 0 }, { children: [child(1), child('x' as never)] })
    expect(await rejection(queues.enqueueFlow(wrong))).to.be.instanceOf(InvalidPayload)
    const keyed = flow(task, { n: 0 }, { options: { dedupeKey: 'k' } as object })
    expect(await rejection(queues.enqueueFlow(keyed))).to.be.instanceOf(TypeError)
    expect((await queues.measure())['task']).to.deep.equal(before['task'])
  })

  it('do not do a job that was cancelled before it began, and say why', async () => {
    let runs = 0
    handle = async () => (runs += 1)
    const waiting = await queues.enqueue(task, { n: 1 })
    const delayed = await queues.enqueue(task, { n: 2 }, { delayMs: 600_000 })
    const next = await queues.enqueue(task, { n: 3 })
    for (const { id } of [waiting, delayed]) {
      expect(await queues.cancel(task, id, 'the order was withdrawn')).to.equal('cancelled')
    }
    await startWorkers()
    for (const { id } of [waiting, delayed]) {
      expect(await finished('task', id)).to.deep.include({
        state: 'cancelled',
        failedReason: 'cancelled: the order was withdrawn',
      })
    }
    expect(await finished('task', next.id)).to.include({ state: 'completed' })
    expect(runs).to.equal(1)
    expect(await queues.cancel(task, next.id)).to.equal('finished')
    expect(await queues.cancel(task, 'nothing')).to.equal('unknown')
    expect(await queues.cancel(task, 'events')).to.equal('unknown')
  })

  it('abort the signal of a job that is cancelled while it runs, and do not try it again', async () => {
    const reasons: unknown[] = []
    handle = ({ signal }) => forever(signal).catch((reason: unknown) => reasons.push(reason))
    await startWorkers()
    const { id } = await queues.enqueue(task, { n: 1 })
    await eventually(async () => expect((await queues.find('task', id))?.state).to.equal('active'))
    // Until the workers listen, nobody hears it.
    await eventually(async () => {
      expect(await queues.cancel(task, id)).to.be.oneOf(['stopping', 'finished'])
      expect(reasons).to.have.length(1)
    })
    expect(await finished('task', id)).to.deep.include({
      state: 'cancelled',
      failedReason: 'cancelled: by the application',
    })
    expect(reasons[0]).to.include({ kind: 'cancelled' })
  })

  it('end an attempt that takes too long, and tell its handler', async () => {
    told = undefined
    await startWorkers()
    const { id } = await queues.enqueue(hasty, {})
    const job = await finished('hasty', id)
    expect(job?.state, 'what it returns afterwards does not count').to.equal('failed')
    expect(job?.failedReason).to.equal('took longer than 100 ms')
    expect(told).to.have.property('kind', 'timeout')
  })

  it('run a sandboxed job in a thread, and end the thread when it hangs or breaks', async () => {
    await startWorkers()
    const outcomeOf = async (job: typeof busy, what: string) => {
      const { id } = await queues.enqueue(job, { what })
      return finished(job.name, id)
    }
    expect(await outcomeOf(busy, 'count')).to.deep.include({ result: 1_000, progress: 50 })
    expect(await outcomeOf(busy, 'throw')).to.deep.include({ failedReason: 'broken in the sandbox' })
    expect(await outcomeOf(busy, 'exit')).to.deep.include({
      failedReason: 'the thread ended with code 3 before its work',
    })
    expect(await outcomeOf(hung, 'hang')).to.deep.include({ failedReason: 'took longer than 500 ms' })
  })

  it('hand a running job over when they stop, without using an attempt or a stall', async () => {
    handle = async ({ signal }) => forever(signal)
    const first = await startWorkers()
    const { id } = await queues.enqueue(task, { n: 1 })
    await eventually(async () => expect((await queues.find('task', id))?.state).to.equal('active'))
    await first.stop(deadlineIn(1_000))
    expect((await queues.find('task', id))?.state).to.equal('waiting')

    handle = async ({ attempt }) => attempt
    await startWorkers()
    expect(await finished('task', id)).to.deep.include({ state: 'completed', result: 1 })
    expect(await queues.bull('task').getJob(id)).to.deep.include({ attemptsMade: 1, stalledCounter: 0 })
  })

  it('stop at the deadline although Redis is frozen', async () => {
    handle = async ({ signal }) => forever(signal)
    const only = await startWorkers()
    const { id } = await queues.enqueue(task, { n: 1 })
    await eventually(async () => expect((await queues.find('task', id))?.state).to.equal('active'))
    server.freeze()
    try {
      await only.stop(deadlineIn(1_000))
    } finally {
      server.thaw()
    }
  })

  it('end their attempt when the lock could not be renewed, so that no two do one job', async () => {
    told = undefined
    let runs = 0
    handle = async ({ signal }) => {
      runs += 1
      if (runs > 1) return 'done by the second'
      return forever(signal).catch((reason: unknown) => {
        told = reason
        throw reason
      })
    }
    await startWorkers()
    const { id } = await queues.enqueue(task, { n: 1 })
    await eventually(async () => expect((await queues.find('task', id))?.state).to.equal('active'))
    server.freeze()
    try {
      await eventually(() => expect(told).to.have.property('kind', 'lock-lost'))
    } finally {
      server.thaw()
    }
    expect(await finished('task', id)).to.deep.include({ state: 'completed', result: 'done by the second' })
  })

  it('may be stopped twice, and before they were started', async () => {
    const only = await startWorkers()
    await only.stop(deadlineIn(1_000))
    await only.stop(deadlineIn(1_000))
    const never = createJobWorkers({
      connect: () => expect.fail('it connected'),
      queues,
      jobs,
      services: undefined,
      log: pino({ level: 'silent' }),
    })
    await never.stop(deadlineIn(1_000))
  })
})
