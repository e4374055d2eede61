import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { DedupeConflict, isIdFor, keyedJobId } from '../../shared/queues/dedupe.ts'
import { defineJob } from '../../shared/queues/job.ts'
import { InvalidPayload } from '../../shared/queues/payload.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { eventually } from '../support/eventually.ts'
import { rejection } from '../support/rejection.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const letter = defineJob({
  name: 'letter',
  payload: z.strictObject({ to: z.string() }),
  priority: 5,
  handler: async () => {},
})

describe('asking for a job', () => {
  let server: TestRedis
  let redis: Redis
  let queues: Queues

  before(async () => {
    server = await startRedis()
    redis = openRedis({ kind: 'single', url: server.url }, 'commands')
    queues = createQueues({ redis, jobs: [letter], timeoutMs: 500 })
    await queues.start()
  })
  beforeEach(() => redis.flushall())
  after(async () => {
    await queues.stop(deadlineIn(1_000))
    redis.disconnect()
    await server.stop()
  })

  it('answers with an id under which it is found', async () => {
    const { id, created } = await queues.enqueue(letter, { to: 'ada' }, { by: 'user-1' })
    expect(created).to.equal(true)
    expect(id).not.to.include(':')
    expect(await queues.find('letter', id)).to.deep.equal({
      id,
      name: 'letter',
      state: 'prioritized',
      progress: 0,
      attempts: 0,
      by: 'user-1',
    })
  })

  it('finds nothing under ids and names that stand for nothing', async () => {
    const { id } = await queues.enqueue(letter, { to: 'ada' })
    await redis.set('{lockstep}:letter:stalled-check', '1')
    for (const [name, other] of [
      ['letter', 'unknown'],
      ['letter', `${id}:lock`],
      ['letter', '../meta'],
      ...['events', 'stalled-check', 'meta', 'id', 'wait', 'prioritized'].map(
        (key) => ['letter', key] as const,
      ),
      ['nothing', id],
      ['__proto__', id],
    ] as const) {
      expect(await queues.find(name, other)).to.equal(null)
    }
  })

  for (const [field, value] of [
    ['data', '{"payload":'],
    ['data', '7'],
    ['data', '{"by":7}'],
    ['opts', 'nothing'],
    ['progress', '{'],
    ['stacktrace', '{"a":1}'],
    ['returnvalue', '{'],
  ] as const) {
    it(`shows a job whose ${field} was damaged to ${value}, belonging to nobody, and measures its queue`, async () => {
      const { id } = await queues.enqueue(letter, { to: 'ada' })
      await redis.hset(`{lockstep}:letter:${id}`, field, value)
      expect(await queues.find('letter', id)).to.deep.include({ id, name: 'letter', state: 'prioritized' })
      expect((await queues.measure())['letter']).to.include({ waiting: 1 })
    })
  }

  it('names the fields of a payload that the job does not take, and keeps nothing of it', async () => {
    const wrong = { to: 7, cc: 'eve' } as unknown as { to: string }
    const failure = await rejection(queues.enqueue(letter, wrong))
    expect(failure).to.be.instanceOf(InvalidPayload)
    expect((failure as InvalidPayload).problems.map(({ field }) => field)).to.have.members(['to', 'cc'])
    expect((await queues.measure())['letter']?.waiting).to.equal(0)
  })

  it('refuses repeat, which would be taken and never happen', async () => {
    const options = { repeat: { every: 1_000 } } as object
    expect(await rejection(queues.enqueue(letter, { to: 'ada' }, options)))
      .to.be.instanceOf(TypeError)
      .and.have.property('message')
      .that.matches(/declare a schedule/)
  })

  for (const [what, options] of Object.entries({
    'an option that there is not': { jobId: '1' },
    'a negative delay': { delayMs: -1 },
    'a delay of no number': { delayMs: Number.NaN },
    'an empty key': { dedupeKey: '' },
    'an endless key': { dedupeKey: 'x'.repeat(300) },
    'a priority beyond the last': { priority: 3e6 },
    'no attempts': { attempts: 0 },
    'a backoff of another kind': { backoff: { type: 'linear', delayMs: 1 } },
    'more jitter than all': { backoff: { type: 'fixed', delayMs: 1, jitter: 2 } },
  })) {
    it(`refuses ${what}`, async () => {
      expect(await rejection(queues.enqueue(letter, { to: 'ada' }, options as object))).to.be.instanceOf(
        TypeError,
      )
    })
  }

  it('refuses a job that it was not made for', async () => {
    const other = defineJob({ name: 'letter', payload: z.strictObject({}), handler: async () => {} })
    expect(await rejection(queues.enqueue(other, {}))).to.be.instanceOf(TypeError)
  })

  it('makes one job of many requests with one key, and others for other askers', async () => {
    const ask = (by: string) =>
      queues.enqueue(letter, { to: 'ada' }, { dedupeKey: 'a:key with anything…', by })
    const mine = await Promise.all(Array.from({ length: 20 }, () => ask('me')))
    expect(new Set(mine.map(({ id }) => id))).to.have.property('size', 1)
    expect(mine.filter(({ created }) => created)).to.have.length(1)
    expect((await ask('you')).created).to.equal(true)
    expect((await queues.measure())['letter']?.waiting).to.equal(2)
  })

  it('refuses one key with another payload, also when the first job is done and gone', async () => {
    const ask = (payload: { to: string }) => queues.enqueue(letter, payload, { dedupeKey: 'k', by: 'me' })
    const first = await ask({ to: 'ada' })
    const conflict = await rejection(ask({ to: 'eve' }))
    expect(conflict).to.be.instanceOf(DedupeConflict).and.to.include({ status: 409, id: first.id })
    await redis.del(`{lockstep}:letter:${first.id}`)
    expect(await rejection(ask({ to: 'eve' }))).to.be.instanceOf(DedupeConflict)
    expect(await ask({ to: 'ada' })).to.deep.equal({ id: first.id, created: false })
  })

  it('takes two payloads for one whose fields stand in another order', () => {
    const id = keyedJobId({ a: 1, b: { c: [1, 2], d: null } })
    expect(isIdFor(id, { b: { d: null, c: [1, 2] }, a: 1 })).to.equal(true)
    expect(isIdFor(id, { b: { d: null, c: [2, 1] }, a: 1 })).to.equal(false)
  })

  it('gives one tick of a schedule one run, however often it is asked', async () => {
    const definition = {
      name: 'weekly',
      job: 'letter',
      data: { to: 'all' },
      timing: { everyMs: 1_000, timezone: 'UTC' },
      misfire: 'run-once',
      overlap: 'forbid',
      jitterMs: 0,
      options: { attempts: 1, backoff: { type: 'fixed', delayMs: 0 }, priority: 0 },
    } as const
    expect(await queues.addRun(definition, 1_000)).to.equal('added')
    expect(await queues.addRun(definition, 1_000)).to.equal('added')
    expect(await queues.addRun(definition, 2_000)).to.equal('left out')
    expect((await queues.measure())['letter']?.waiting).to.equal(1)
  })

  it('takes many in one round trip, in order, and none of them when one is wrong', async () => {
    const asked = await queues.enqueueMany(letter, [
      { payload: { to: 'a' } },
      { payload: { to: 'b' }, options: { delayMs: 60_000, by: 'user-1' } },
      { payload: { to: 'c' }, options: { dedupeKey: 'c' } },
      { payload: { to: 'c' }, options: { dedupeKey: 'c' } },
    ])
    expect(asked.map(({ created }) => created)).to.deep.equal([true, true, true, false])
    expect(asked[3]?.id).to.equal(asked[2]?.id)
    expect(await queues.find('letter', asked[1]!.id)).to.include({ state: 'delayed', by: 'user-1' })

    const wrong = [{ payload: { to: 'd' } }, { payload: { to: 7 as never } }]
    const failure = await rejection(queues.enqueueMany(letter, wrong))
    expect(failure).to.be.instanceOf(InvalidPayload).and.to.have.nested.property('problems[0].field', '1.to')
    expect((await queues.measure())['letter']).to.include({ waiting: 2, delayed: 1 })
    expect(await queues.enqueueMany(letter, [])).to.deep.equal([])
    const tooMany = Array.from({ length: 10_001 }, () => ({ payload: { to: 'x' } }))
    expect(await rejection(queues.enqueueMany(letter, tooMany))).to.be.instanceOf(TypeError)
  })

  it('lets each request say how often and after which waits it is tried', async () => {
    const backoff = { type: 'exponential', delayMs: 50, jitter: 0.5 } as const
    const { id } = await queues.enqueue(letter, { to: 'ada' }, { attempts: 9, backoff })
    expect((await queues.bull('letter').getJob(id))?.opts).to.deep.include({
      attempts: 9,
      backoff: { type: 'exponential', delay: 50, jitter: 0.5 },
    })
  })

  it('delays, and lets the lowest priority wait for none', async () => {
    await queues.enqueue(letter, { to: 'later' }, { delayMs: 60_000 })
    await queues.enqueue(letter, { to: 'normal' })
    await queues.enqueue(letter, { to: 'first' }, { priority: 1 })
    const numbers = (await queues.measure())['letter']
    expect(numbers).to.deep.include({ waiting: 2, delayed: 1, active: 0, failed: 0, completed: 0 })
    const [next] = await queues.bull('letter').getPrioritized(0, 0)
    expect(next?.data.payload).to.deep.equal({ to: 'first' })
  })

  it('keeps the stream of events short', async () => {
    await eventually(async () => {
      await queues.stop(deadlineIn(1_000))
      await queues.start()
      expect(await redis.hget('{lockstep}:letter:meta', 'opts.maxLenEvents')).to.equal('1000')
    })
  })

  it('is answered with Unavailable while Redis is frozen or gone, and works again afterwards', async () => {
    server.freeze()
    const frozen = await Promise.all([1, 2].map(() => rejection(queues.enqueue(letter, { to: 'ada' }))))
    for (const failure of frozen) expect(failure).to.be.instanceOf(Unavailable)
    server.thaw()
    await eventually(() => queues.enqueue(letter, { to: 'ada' }))

    await server.kill('SIGKILL')
    expect(await rejection(queues.enqueue(letter, { to: 'ada' }))).to.be.instanceOf(Unavailable)
    expect(await rejection(queues.find('letter', 'x'))).to.be.instanceOf(Unavailable)
    expect(await rejection(queues.measure())).to.be.instanceOf(Unavailable)
    await server.restart()
    await eventually(() => queues.enqueue(letter, { to: 'ada' }))
  })
})
