import { expect } from 'chai'
import { flaws, streamFlaws, type Flaw, type StreamFlaw } from './flawed-sessions.ts'
import { redisFaults, workerFaults, type Fault } from './nemesis.ts'
import { runChaos, type ChaosOptions, type Outcome } from './run-chaos.ts'
import { startServerCluster } from './server-cluster.ts'
import { startWorkerPool } from './worker-pool.ts'

const workers = 4
const leaseMs = 1_000

/** A short form for every run of the tests; `npm run test:chaos` asks for more. */
const wantedSeconds = Number(process.env.CHAOS_SECONDS ?? 0)
const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 2 ** 31)

const server = (options: ChaosOptions) =>
  runChaos((redisUrl) => startServerCluster(workers, { redisUrl, people: 24 }), options)

const pool = (flaw: Flaw | null) => (options: ChaosOptions) =>
  runChaos((redisUrl) => startWorkerPool(workers, { redisUrl, leaseMs, flaw }), options)

const flawedStreams = (streamFlaw: StreamFlaw) => (options: ChaosOptions) =>
  runChaos((redisUrl) => startWorkerPool(workers, { redisUrl, leaseMs, flaw: null, streamFlaw }), options)

/** Where each flaw shows: anywhere in the end, here at once. */
const revealing: Record<Flaw, Readonly<Record<string, Fault>>[]> = {
  'no ack wait': [workerFaults, only(redisFaults, 'messages disappear', 'messages are late')],
  'no lease': [only(workerFaults, 'a worker is cut off and hangs')],
  'no fill check': [only(redisFaults, 'replies are late')],
}

function only(faults: Readonly<Record<string, Fault>>, ...names: string[]): Readonly<Record<string, Fault>> {
  return Object.fromEntries(Object.entries(faults).filter(([name]) => names.includes(name)))
}

describe('Under chaos', function () {
  this.timeout(60_000 + wantedSeconds * 1_000)

  for (const [what, run, shortSeconds] of [
    ['the server', server, 10],
    ['sessions on workers that are each reached for certain', pool(null), 7],
  ] as const) {
    it(`${what}: nothing revoked with success is accepted or sent anything on a stream, nobody else is refused, and work goes on`, async () => {
      const seconds = wantedSeconds || shortSeconds
      const outcome = await run({ durationMs: seconds * 1_000, seed })
      expectKept(outcome, seconds)
    })
  }

  for (const flaw of streamFlaws) {
    it(`workers whose streams have ${flaw} are caught`, async () => {
      const options = { durationMs: 30_000, seed, faults: revealingStreams[flaw], untilStale: true }
      const { verdict } = await flawedStreams(flaw)(options)
      expect(verdict.staleDeliveries).to.have.length.above(0)
    })
  }

  for (const flaw of flaws) {
    it(`workers with ${flaw} are caught`, async () => {
      const options = { durationMs: 30_000, seed, faults: revealing[flaw], untilStale: true }
      const { verdict } = await pool(flaw)(options)
      expect(verdict.staleAccepts).to.have.length.above(0)
    })
  }
})

const revealingStreams: Record<StreamFlaw, Readonly<Record<string, Fault>>[]> = {
  'no lease at each delivery': [only(workerFaults, 'a worker is cut off and hangs')],
  'nothing held back': [only(redisFaults, 'messages are late')],
}

function expectKept({ verdict, faults, story }: Outcome, seconds: number): void {
  const context = `\nCHAOS_SEED=${seed}\n${[...faults.keys()].join(', ')}\n${story}\n`
  expect(verdict.staleAccepts.length, `stale accepts${context}`).to.equal(0)
  expect(verdict.staleDeliveries.length, `stale deliveries${context}`).to.equal(0)
  expect(verdict.spuriousEnds, `streams that were ended for nothing${context}`).to.equal(0)
  expect(verdict.deliveries, `deliveries${context}`).to.be.above(seconds * 10)
  expect(verdict.streamEnds, `streams that were told of the end${context}`).to.be.above(seconds / 4)
  expect(verdict.spuriousRefusals.length, `spurious refusals${context}`).to.equal(0)
  // Far below what is seen on a busy machine; only one that denies everything or stands still is below it.
  expect(verdict.confirmedRevocations, `confirmed revocations${context}`).to.be.above(seconds / 4)
  expect(verdict.acceptedAlive, `accepted of ${verdict.usesAlive}${context}`).to.be.above(
    verdict.usesAlive / 3,
  )
  expect(verdict.usesAlive, `uses${context}`).to.be.above(seconds * 5)
  expect(verdict.refusedDead, `refused after their end${context}`).to.be.above(seconds)
}
