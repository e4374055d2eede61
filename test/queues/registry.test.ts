import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { z } from 'zod'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { defineJob } from '../../shared/queues/job.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import {
  createScheduleRegistry,
  type ScheduleRegistry,
  type ScheduleRegistryOptions,
} from '../../shared/queues/schedule-registry.ts'
import { createScheduleControl } from '../../shared/queues/schedule-control.ts'
import { createTickServer } from '../../shared/queues/serve-tick.ts'
import { createScheduleViews } from '../../shared/queues/schedule-views.ts'
import { defineSchedule } from '../../shared/queues/schedule.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const job = defineJob({
  name: 'report',
  payload: z.strictObject({ kind: z.string().optional() }),
  handler: async () => {},
})

function schedule(
  name: string,
  change: { everyMs?: number; data?: { kind: string }; jitterMs?: number } = {},
) {
  return defineSchedule({ name, job, everyMs: 60 * 60_000, misfire: 'run-once', overlap: 'allow', ...change })
}

const nothing = { outcome: 'reconciled', applied: [], removed: [] }

describe('the registry of schedules', () => {
  let server: TestRedis
  let redis: Redis
  let queues: Queues

  /** A registry as another process, perhaps of another release, would have it. */
  function registry(options: Pick<ScheduleRegistryOptions, 'schedules'> & Partial<ScheduleRegistryOptions>) {
    return createScheduleRegistry({ redis, queues, log: pino({ level: 'silent' }), ...options })
  }

  const schedulers = async () =>
    (await queues.bull('schedules').getJobSchedulers()).map(({ key }) => key).sort()
  const names = async () => (await createScheduleViews({ redis }).list()).map(({ name }) => name)
  const runs = async () => (await queues.bull('report').getJobs()).map(({ id }) => id)
  const pendingTick = async (name: string) =>
    (await queues.bull('schedules').getJobScheduler(name))?.next ?? 0

  before(async () => {
    server = await startRedis()
    redis = openRedis({ kind: 'single', url: server.url }, 'commands')
  })
  beforeEach(async () => {
    if (redis.status === 'ready') await redis.flushall()
    queues = createQueues({ redis, jobs: [job] })
    await queues.start()
  })
  afterEach(() => queues.stop(deadlineIn(1_000)))
  after(async () => {
    redis.disconnect()
    await server.stop()
  })

  it('applies a change once, though many processes come up with it together', async () => {
    await registry({ schedules: [schedule('a'), schedule('b')] }).reconcile()
    const changed = [schedule('a', { data: { kind: 'long' } }), schedule('b')]
    const processes = Array.from({ length: 4 }, () => registry({ schedules: changed }))
    const outcomes = await Promise.all(processes.map((one) => one.reconcile()))
    expect(outcomes.filter(({ outcome }) => outcome === 'reconciled')).to.deep.equal([
      { outcome: 'reconciled', applied: ['a'], removed: [] },
    ])
    for (const one of processes) expect(await one.reconcile()).to.deep.equal(nothing)
    expect((await queues.bull('schedules').getJobScheduler('a'))?.template?.data).to.deep.include({
      data: { kind: 'long' },
    })
  })

  it('removes what is not declared any more, with the tick that waits', async () => {
    await registry({ schedules: [schedule('a'), schedule('b')] }).reconcile()
    expect(await registry({ schedules: [schedule('b')] }).reconcile()).to.deep.include({ removed: ['a'] })
    expect(await schedulers()).to.deep.equal(['b'])
    expect(await names()).to.deep.equal(['b'])
    expect(await queues.bull('schedules').getJobCountByTypes('delayed', 'waiting')).to.equal(1)
  })

  it('leaves a tick alone that is due and not yet taken up, as after a restart', async () => {
    const schedules = [schedule('often', { everyMs: 100 })]
    await registry({ schedules }).reconcile()
    const tick = await pendingTick('often')
    await eventually(() => expect(Date.now()).to.be.above(tick))
    expect(await registry({ schedules }).reconcile()).to.deep.equal(nothing)
    expect(await pendingTick('often')).to.equal(tick)
    expect(await runs()).to.deep.equal([])
  })

  it('serves a due tick before a change would drop it, and only once', async () => {
    await registry({ schedules: [schedule('often', { everyMs: 100 })] }).reconcile()
    const tick = await pendingTick('often')
    await eventually(() => expect(Date.now()).to.be.within(tick, tick + 10_000))
    await registry({ schedules: [schedule('often', { everyMs: 60 * 60_000 })] }).reconcile()
    const served = await runs()
    expect(served).to.have.length(1)
    expect(Number(served[0]?.split('@')[1])).to.be.at.least(tick)
    await registry({ schedules: [schedule('often', { everyMs: 60 * 60_000, jitterMs: 1 })] }).reconcile()
    expect(await runs()).to.deep.equal(served)
  })

  it('lets the newest release decide while two are running', async () => {
    const older = registry({ schedules: [schedule('a')], release: 1 })
    const newer = registry({ schedules: [schedule('b')], release: 2 })
    await older.reconcile()
    await newer.reconcile()
    expect(await older.reconcile()).to.deep.equal({ outcome: 'superseded' })
    expect(await names()).to.deep.equal(['b'])
  })

  it('lets no restart of an old process roll the schedules back, and no host that is not yet deployed win', async () => {
    const newer = registry({ schedules: [schedule('b')], release: 2, everyMs: 20 })
    await newer.start()
    for (let restart = 0; restart < 3; restart++) {
      const old = registry({ schedules: [schedule('a')], release: 1, everyMs: 20 })
      await old.start()
      expect(await old.reconcile()).to.not.include({ outcome: 'reconciled' })
      await old.stop(deadlineIn(1_000))
    }
    await newer.stop(deadlineIn(1_000))
    const last = registry({ schedules: [schedule('a')], release: 1 })
    expect(await last.reconcile()).to.deep.equal({ outcome: 'superseded' })
    expect(await names()).to.deep.equal(['b'])
  })

  it('lets an older release take over when nobody has run the newer one for a while, as after a rollback', async () => {
    await registry({ schedules: [schedule('b')], release: 2 }).reconcile()
    const old = registry({ schedules: [schedule('a')], release: 1, abandonedAfterMs: 50 })
    await eventually(async () => expect(await old.reconcile()).to.deep.include({ applied: ['a'] }))
    expect(await names()).to.deep.equal(['a'])
    expect(await registry({ schedules: [schedule('a')], release: 1 }).reconcile()).to.deep.equal(nothing)
  })

  it('lets any process of a release repair what another one of it has written', async () => {
    const schedules = [schedule('a')]
    await registry({ schedules, release: 2 }).reconcile()
    await queues.bull('schedules').removeJobScheduler('a')
    expect(await registry({ schedules, release: 1 }).reconcile()).to.deep.include({ applied: ['a'] })
  })

  it('mends a chain of ticks that has ended', async () => {
    const schedules = [schedule('a')]
    await registry({ schedules }).reconcile()
    const waiting = `repeat:a:${await pendingTick('a')}`
    await redis.zrem('{lockstep}:schedules:delayed', waiting)
    await redis.del(`{lockstep}:schedules:${waiting}`)
    await redis.zadd('{lockstep}:schedules:repeat', Date.now() - 90 * 60_000, 'a')
    expect(await registry({ schedules }).reconcile()).to.deep.include({ applied: ['a'] })
    expect(await pendingTick('a')).to.be.above(Date.now())
    expect(await runs(), 'and makes up for the tick').to.have.length(1)
  })

  it('writes anew what it cannot read', async () => {
    const schedules = [schedule('a')]
    await registry({ schedules }).reconcile()
    await redis.hset('{lockstep}:schedules-applied', 'a', 'not ours')
    expect(await names()).to.deep.equal([])
    expect(await registry({ schedules }).reconcile()).to.deep.include({ applied: ['a'] })
  })

  it('restores schedules by itself after Redis lost its data, until it is stopped', async () => {
    const kept: ScheduleRegistry = registry({ schedules: [schedule('a')], everyMs: 20 })
    await kept.start()
    try {
      await redis.flushall()
      await eventually(async () => expect(await names()).to.deep.equal(['a']))
    } finally {
      await kept.stop(deadlineIn(1_000))
    }
    await redis.flushall()
    expect(await names()).to.deep.equal([])
  })

  it('gives a paused schedule no run, makes up for none when it is resumed, and runs it now when asked', async () => {
    const often = schedule('often', { everyMs: 100 })
    await registry({ schedules: [often] }).reconcile()
    const control = createScheduleControl({ redis, queues })
    const ticks = createTickServer({ redis, queues, log: pino({ level: 'silent' }) })
    expect(await control.pause('nothing')).to.equal(false)
    expect(await control.pause('often')).to.equal(true)
    const [view] = await createScheduleViews({ redis }).list()
    expect(view).to.include({ paused: true })

    const tick = await pendingTick('often')
    await eventually(() => expect(Date.now()).to.be.above(tick))
    await ticks.serve(often.definition, tick)
    expect(await runs()).to.deep.equal([])
    const run = await control.runNow('often')
    expect(run).to.have.property('job', 'report')
    expect(await runs()).to.have.length(1)

    expect(await control.resume('often')).to.equal(true)
    await ticks.serve(often.definition, tick)
    const later = Math.floor(Date.now() / 100) * 100 + 100
    await ticks.serve(often.definition, later)
    const ids = (await runs()).map((id) => Number(id?.split('@')[1])).filter((at) => at % 100 === 0)
    expect(Math.min(...ids), 'nothing of the pause').to.be.above(tick)
    expect(await control.runNow('nothing')).to.equal(null)
  })

  it('does not run now what still runs and must not overlap', async () => {
    const once = defineSchedule({
      name: 'once',
      job,
      pattern: '0 0 1 1 *',
      misfire: 'skip',
      overlap: 'forbid',
    })
    await registry({ schedules: [once] }).reconcile()
    const control = createScheduleControl({ redis, queues })
    expect(await control.runNow('once')).to.have.property('id')
    // Asked twice in one millisecond it is one run.
    await eventually(async () => expect(await control.runNow('once')).to.equal('running'))
  })

  it('shows the next five runs of each schedule, and the last', async () => {
    const nightly = defineSchedule({
      name: 'nightly',
      job,
      pattern: '30 2 * * *',
      timezone: 'Europe/Berlin',
      misfire: { backfill: 3 },
      overlap: 'allow',
    })
    await registry({ schedules: [nightly] }).reconcile()
    const [view] = await createScheduleViews({ redis }).list()
    expect(view).to.deep.include({
      name: 'nightly',
      job: 'report',
      pattern: '30 2 * * *',
      timezone: 'Europe/Berlin',
      lastRun: null,
      misfire: 'backfill(3)',
      overlap: 'allow',
      paused: false,
    })
    expect(view?.next).to.have.length(5)
    expect(view?.next[0]?.getTime()).to.equal(await pendingTick('nightly'))
  })
})
