import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import type { DeclaredSchedule, JobProcessOptions, Run } from './fixtures/job-process-options.ts'
import { readRuns, startJobProcess, type JobProcess } from './fixtures/job-processes.ts'

describe('schedules on real processes', function () {
  this.timeout(40_000)
  let server: TestRedis
  let redis: Redis
  let processes: JobProcess[] = []

  async function start(options: Omit<JobProcessOptions, 'redisUrl'>, count = 1): Promise<void> {
    const starting = Array.from({ length: count }, () =>
      startJobProcess({ redisUrl: server.url, ...options }),
    )
    processes.push(...(await Promise.all(starting)))
  }

  async function stopAll(): Promise<void> {
    await Promise.all(processes.map((one) => one.stop()))
    processes = []
  }

  /** The ticks of a schedule that were run so far, in order. */
  async function ticksOf(schedule: string): Promise<number[]> {
    const done = (await readRuns(redis)).filter((run) => run.event === 'done' && scheduleOf(run) === schedule)
    return done.map((run) => run.tick as number).sort((a, b) => a - b)
  }

  before(async () => {
    server = await startRedis()
    redis = openRedis({ kind: 'single', url: server.url }, 'commands')
  })
  beforeEach(() => redis.flushall())
  afterEach(stopAll)
  after(async () => {
    redis.disconnect()
    await server.stop()
  })

  it('fire once per tick with four processes, and miss none', async () => {
    const common = { misfire: { backfill: 5 }, overlap: 'allow' } as const
    await start(
      {
        schedules: [
          { ...common, name: 'cron', pattern: '* * * * * *' },
          { ...common, name: 'interval', everyMs: 1_000 },
        ],
      },
      4,
    )
    for (const name of ['cron', 'interval']) {
      const ticks = await eventually(async () => {
        const seen = await ticksOf(name)
        expect(seen).to.have.length.above(4)
        return seen
      }, 20_000)
      expect(ticks).to.deep.equal(everySecondFrom(ticks[0] as number, ticks.length))
    }
  })

  it('treat a tick that was missed while nothing ran as their misfire policy says', async () => {
    const periodMs = 3_000
    const options = {
      missedAfterMs: 1_000,
      schedules: (['run-once', 'skip', { backfill: 5 }] as const).flatMap((misfire): DeclaredSchedule[] => {
        const policy = typeof misfire === 'object' ? 'backfill' : misfire
        const common = { misfire, overlap: 'allow' } as const
        return [
          { ...common, name: `cron-${policy}`, pattern: '*/3 * * * * *' },
          { ...common, name: `interval-${policy}`, everyMs: periodMs },
        ]
      }),
    }
    const lastTicks = () =>
      Promise.all(options.schedules.map(async ({ name }) => (await ticksOf(name)).at(-1) ?? 0))

    await start(options)
    await eventually(async () => expect(Math.min(...(await lastTicks()))).to.be.above(0), 20_000)
    await stopAll()
    const missed = Math.max(...(await lastTicks())) + periodMs
    await eventually(() => expect(Date.now()).to.be.above(missed + options.missedAfterMs), 20_000)
    await start(options)
    const restarted = Date.now()
    await eventually(async () => expect(Math.min(...(await lastTicks()))).to.be.above(restarted), 20_000)

    for (const kind of ['cron', 'interval']) {
      const backfilled = await ticksOf(`${kind}-backfill`)
      expect(backfilled, 'backfill leaves no gap').to.deep.equal(
        backfilled.map((_, index) => (backfilled[0] as number) + index * periodMs),
      )
      expect(await ticksOf(`${kind}-skip`), 'skip leaves it out').not.to.include(missed)
      const madeUp = (await ticksOf(`${kind}-run-once`)).filter((tick) => tick >= missed && tick < restarted)
      expect(madeUp, 'one run makes up for it').to.have.length.within(1, 2)
      expect(await runIds(redis), 'no tick twice').to.satisfy(areUnique)
    }
  })

  it('come back by themselves after Redis lost its data', async () => {
    await start({
      reconcileMs: 300,
      schedules: [{ name: 'cron', pattern: '* * * * * *', misfire: 'skip', overlap: 'allow' }],
    })
    await eventually(async () => expect(await ticksOf('cron')).not.to.be.empty, 10_000)
    await redis.flushall()
    await eventually(async () => expect(await ticksOf('cron')).to.have.length.above(1), 10_000)
  })

  it('never overlap where that is forbidden, though ticks come faster than runs end', async () => {
    await start(
      {
        schedules: [
          { name: 'slow', everyMs: 200, data: { ms: 500 }, misfire: 'run-once', overlap: 'forbid' },
          { name: 'slow-too', everyMs: 200, data: { ms: 500 }, misfire: 'run-once', overlap: 'allow' },
        ],
      },
      2,
    )
    await eventually(async () => expect(await ticksOf('slow')).to.have.length.above(3), 15_000)
    const runs = await readRuns(redis)
    expect(mostAtOnce(runs.filter((run) => scheduleOf(run) === 'slow'))).to.equal(1)
    expect(mostAtOnce(runs.filter((run) => scheduleOf(run) === 'slow-too'))).to.be.above(1)
  })
})

function scheduleOf(run: Run): string | undefined {
  return run.id.split('@')[0]
}

async function runIds(redis: Redis): Promise<string[]> {
  return (await readRuns(redis)).filter((run) => run.event === 'done').map((run) => run.id)
}

function areUnique(ids: readonly string[]): boolean {
  return new Set(ids).size === ids.length
}

function everySecondFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index * 1_000)
}

/** How many runs were going at the same time, by the order in which they started and ended. */
function mostAtOnce(runs: readonly Run[]): number {
  let now = 0
  return Math.max(0, ...runs.map((run) => (now += run.event === 'started' ? 1 : -1)))
}
