import { expect } from 'chai'
import { everyFault, type Fault, type Shard } from './faults.ts'
import { noteOutage, writeOutages } from './outages.ts'
import { runFault } from './run-fault.ts'

/** `npm run test:failover` goes through every fault; `npm test` through those that happen every year. */
const long = process.env.FAILOVER_PROOF === 'long'
const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 2 ** 31)

/** The same faults, whichever way three nodes are run. */
export function describeFailovers(kind: Shard['kind'], start: () => Promise<Shard>): void {
  describe(`Three data nodes under ${kind}`, function () {
    this.timeout(180_000)
    let shard: Shard

    beforeEach(async () => {
      shard = await start()
    })
    afterEach(() => shard.stop())
    after(() => {
      if (long) writeOutages()
    })

    for (const fault of everyFault.filter(({ everyRun }) => long || everyRun.includes(kind))) {
      it(`when ${fault.name}: what was revoked stays revoked, who was signed in is treated alike, sign-in works`, () =>
        expectSafe(shard, fault))
    }
  })
}

async function expectSafe(shard: Shard, fault: Fault): Promise<void> {
  const orders = { durability: 'failover', flaw: null, leaseMs: 1_000 } as const
  const outcome = await runFault(shard, fault, orders, seed)
  const { verdict, watched, sessions, signIns, story } = outcome
  const context = `\nCHAOS_SEED=${seed}\n${JSON.stringify(watched)}\n${story}\n`
  expect(verdict.staleAccepts.length, `stale accepts${context}`).to.equal(0)
  expect(verdict.spuriousRefusals.length, `spurious refusals${context}`).to.equal(0)
  expect(verdict.confirmedRevocations, `confirmed revocations${context}`).to.be.above(3)
  expect(signIns, `sign-ins${context}`).to.be.above(3)
  const expected = { 'live on': [200], end: [401], 'live on or end': [200, 401] }[sessions]
  const answers = new Set(watched.map(({ status }) => status))
  expect([...answers], `all workers agree about someone who had signed in before${context}`).to.have.lengthOf(
    1,
  )
  expect(expected, context).to.include([...answers][0])
  noteOutage(shard, fault, outcome)
}
