/**
 * The proof on real processes: several workers on one Redis log what they admit, and a sweep over the merged logs
 * finds the most in any window. The same sweep has to catch limiters that are not strict.
 *
 * `LIMIT_PROOF=long` runs each world for longer.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { expect } from 'chai'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { startFleet, type Fleet, type FleetOptions } from './fleet.ts'
import type { Plan } from './loads.ts'
import { mostByKey, mostInAnyWindow, type Admitted } from './sweep.ts'

const windowMs = 1_000
/** What was leased before a loss may be used for so long, where trips take long. */
const longestTermMs = windowMs / 4
const limit = 200
const longer = process.env.LIMIT_PROOF === 'long' ? 10 : 1
const plan: Plan = { limit, windowMs, loads: ['flood', 'bursts', 'zipf', 'costs'] }
const quarantine = { onDataLoss: 'quarantine' } as const

describe('The limit holds in every window', function () {
  this.timeout(120_000 * longer)
  let redis: TestRedis

  beforeEach(async () => {
    redis = await startRedis()
  })
  afterEach(() => redis.stop())

  async function fleet(size: number, options: Partial<FleetOptions> = {}): Promise<Fleet> {
    return startFleet(size, { url: redis.url, kind: 'ledger', plan, ...options })
  }

  /** The loads go on for so many windows. */
  const forWindows = (count: number) => wait(count * windowMs * longer)

  it('under floods, synchronized bursts, Zipf keys and costs of all sizes, and is used up', async () => {
    const workers = await fleet(4)
    await forWindows(4)
    const { admissions, reports } = await workers.end()
    expectStrict(admissions)
    for (const key of ['flood', 'bursts']) {
      expect(used(admissions, key), `how much of the limit the ${key} could use`).to.be.above(0.6)
    }
    for (const { metrics } of reports) {
      expect(metrics.trips).to.be.below((metrics.admitted + metrics.denied) / 2)
    }
  })

  it('while workers are killed, frozen, drained and replaced', async () => {
    const workers = await fleet(4)
    const [killed, frozen, drained] = workers.workers
    await forWindows(1)
    killed?.process.kill('SIGKILL')
    frozen?.process.kill('SIGSTOP')
    await workers.add()
    await forWindows(1)
    await drained?.stop()
    await forWindows(0.5)
    frozen?.process.kill('SIGCONT')
    await workers.add()
    await forWindows(1.5)
    const { admissions } = await workers.end()
    expectStrict(admissions)
    expect(used(admissions, 'flood')).to.be.above(0.5)
  })

  it('while Redis freezes and comes back', async () => {
    const workers = await fleet(3)
    await forWindows(1)
    redis.freeze()
    await forWindows(1.2)
    redis.thaw()
    const thawedAt = machineMs()
    await eventually(() => expectAdmissionsAfter(workers.admissions(), thawedAt + windowMs))
    const { admissions, reports } = await workers.end()
    expectStrict(admissions)
    for (const { failures } of reports) {
      expect(failures).not.to.deep.equal({})
      for (const failure of Object.keys(failures)) expect(failure).to.match(/^Unavailable: /)
    }
  })

  it('over a flush of Redis, when it is answered by a quarantine', async () => {
    const client = openRedis({ kind: 'single', url: redis.url }, 'commands')
    const workers = await fleet(3, { policy: quarantine })
    // A Redis without an epoch is in quarantine from the first trip on, for a window and a term.
    await eventually(() => expectAdmissionsAfter(workers.admissions(), 0))
    await forWindows(1)
    const flushingAt = machineMs()
    await client.flushall()
    const flushedAt = machineMs()
    await eventually(() => expectAdmissionsAfter(workers.admissions(), flushedAt + windowMs * 1.3))
    await forWindows(1)
    const { admissions } = await workers.end()
    client.disconnect()
    expectStrict(admissions)
    const inQuarantine = admissions.filter(
      ({ atMs }) => atMs > flushedAt + longestTermMs && atMs < flushingAt + windowMs,
    )
    expect(inQuarantine).to.deep.equal([])
  })

  it('up to twice over a flush of Redis, when that is trusted, without a pause', async () => {
    const client = openRedis({ kind: 'single', url: redis.url }, 'commands')
    const workers = await fleet(3)
    await forWindows(1.5)
    const flushingAt = machineMs()
    await client.flushall()
    const flushedAt = machineMs()
    await forWindows(1.5)
    const { admissions } = await workers.end()
    client.disconnect()
    for (const [key, most] of mostByKey(admissions, windowMs)) expect(most, key).to.be.at.most(2 * limit)
    const before = admissions.filter(({ atMs }) => atMs <= flushingAt)
    // Until then, what had been granted before may be used.
    const after = admissions.filter(({ atMs }) => atMs > flushedAt + longestTermMs)
    expectStrict(before)
    expectStrict(after)
    expect(after.some(({ atMs }) => atMs < flushedAt + windowMs / 2)).to.equal(true)
  })

  for (const [kind, loads] of [
    ['fixed window', ['bursts']],
    ['bucket', ['flood']],
  ] as const) {
    it(`and the proof catches a ${kind} that admits more`, async () => {
      const workers = await fleet(3, { kind, plan: { ...plan, loads } })
      await forWindows(3)
      const { admissions } = await workers.end()
      const [load] = loads
      const own = admissions.filter(({ key }) => key === load)
      expect(mostInAnyWindow(own, windowMs)).to.be.above(limit * 1.2)
    })
  }
})

/** The clock that the workers log by. */
function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function expectStrict(admissions: readonly Admitted[]): void {
  expect(admissions).not.to.have.length(0)
  const over = [...mostByKey(admissions, windowMs)].filter(([, most]) => most > limit)
  expect(over, 'keys with more than the limit in a window').to.deep.equal([])
}

function expectAdmissionsAfter(admissions: readonly Admitted[], atMs: number): void {
  expect(admissions.some((admission) => admission.atMs > atMs)).to.equal(true)
}

/** The part of what the limit allows that was used, from the first admission of the key to its last. */
function used(admissions: readonly Admitted[], key: string): number {
  const own = admissions.filter((admission) => admission.key === key)
  const times = own.map(({ atMs }) => atMs)
  const lastedMs = Math.max(...times) - Math.min(...times)
  const cost = own.reduce((sum, admission) => sum + admission.cost, 0)
  // The first window may be used up at its beginning.
  return cost / (limit * (1 + lastedMs / windowMs))
}
