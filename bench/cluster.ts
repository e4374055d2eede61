/**
 * What do several workers bring, what does our primary cost, and how long does it take to start and to replace a
 * worker? An authenticated `GET /api/v1/auth/me` of the built server with 1, 2 and 4 workers, against bare Koa under
 * node:cluster and under pm2's cluster mode. All of one number of workers run at the same time and are measured in
 * turns, so that what else the machine does falls on all of them alike.
 *
 * `npm run bench:cluster [-- --workers=1,2,4] [--rounds=10] [--ms=300] [--starts=3]`
 */
import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { eventually } from '../test/support/eventually.ts'
import {
  bareUnderNodeCluster,
  bareUnderPm2,
  prepareOurs,
  type Contender,
  type Deployment,
} from './cluster/contenders.ts'
import { answerOf } from './hot-path/contenders.ts'
import { startLoadGenerator } from './support/load.ts'
import { writeReport } from './support/report.ts'
import { median, quantile } from './support/statistics.ts'

const { values: options } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2,4' },
    rounds: { type: 'string', default: '10' },
    ms: { type: 'string', default: '300' },
    starts: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
  },
})
const rounds = Number(options.rounds)
const sampleMs = Number(options.ms)
const starts = Number(options.starts)
const connections = Number(options.connections)
/** By requests, not by time: on a busy machine a second may be too short for the compiler of V8 to be done. */
const warmUpRequestsPerWorker = 5_000
const reforkPatienceMs = 30_000
const yardstick = 'bare koa, node:cluster'

interface Sample {
  readonly cpuMicros: number
  readonly requestsPerSecond: number
}

interface Result {
  readonly name: string
  readonly workers: number
  readonly bootMs: number[]
  readonly reforkMs: number[]
  readonly samples: Sample[]
}

const loadBefore = loadavg()[0] ?? NaN
const results: Result[] = []
const contenders: Contender[] = []
const load = startLoadGenerator()
try {
  await prepareAll(contenders)
  for (const workers of options.workers.split(',').map(Number)) {
    process.stderr.write(`${workers} workers `)
    results.push(...(await measureWith(workers)))
    process.stderr.write('\n')
  }
} finally {
  load.stop()
  await Promise.all(contenders.map((contender) => contender.close()))
}
report(results)

/** Each is in `prepared` as soon as there is something to close. All answer what ours answers. */
async function prepareAll(prepared: Contender[]): Promise<void> {
  const ours = await prepareOurs('lockstep', { LIMIT_API: 'off' })
  prepared.push(ours)
  const limited = await prepareOurs('lockstep + rate limit', { LIMIT_API: '1000000/10s' })
  prepared.push(limited)
  // The first start of each creates its accounts, which no later one does.
  await (await limited.start(1)).stop()
  const first = await ours.start(1)
  const answer = await answerOf(first).finally(first.stop)
  prepared.push(bareUnderNodeCluster(yardstick, answer), bareUnderPm2('bare koa, pm2 cluster', answer))
}

/** Starts everybody several times, in turns; the last time all together, for the load. */
async function measureWith(workers: number): Promise<Result[]> {
  const entrants = contenders.map((contender) => ({
    contender,
    result: emptyResult(contender.name, workers),
  }))
  for (let start = 1; start < starts; start += 1) {
    for (const { contender, result } of entrants) {
      const deployment = await contender.start(workers)
      result.bootMs.push(deployment.bootMs)
      await replaceWorker(deployment, result).finally(deployment.stop)
      process.stderr.write('.')
    }
  }

  const running: { deployment: Deployment; result: Result }[] = []
  try {
    for (const { contender, result } of entrants) {
      const deployment = await contender.start(workers)
      running.push({ deployment, result })
      result.bootMs.push(deployment.bootMs)
    }
    for (const { deployment } of running) await warmUp(deployment, workers)
    for (let round = 0; round < rounds; round += 1) {
      for (const { deployment, result } of round % 2 === 0 ? running : running.toReversed()) {
        result.samples.push(await sample(deployment))
      }
      process.stderr.write('.')
    }
    for (const { deployment, result } of running) await replaceWorker(deployment, result)
  } finally {
    await Promise.all(running.map(({ deployment }) => deployment.stop()))
  }
  return entrants.map(({ result }) => result)
}

function emptyResult(name: string, workers: number): Result {
  return { name, workers, bootMs: [], reforkMs: [], samples: [] }
}

async function warmUp(deployment: Deployment, workers: number): Promise<void> {
  let left = warmUpRequestsPerWorker * workers
  while (left > 0) left -= (await runLoad(deployment, { warmUpMs: 0, forMs: 250 })).requests
}

async function sample(deployment: Deployment): Promise<Sample> {
  const { requests, elapsedMs, cpuMs } = await runLoad(deployment, { warmUpMs: 100, forMs: sampleMs })
  return { cpuMicros: (cpuMs * 1_000) / requests, requestsPerSecond: (requests * 1_000) / elapsedMs }
}

function runLoad({ port, request, pids }: Deployment, times: { warmUpMs: number; forMs: number }) {
  return load.run({ port, request, pids, connections, ...times })
}

/** From the `kill -9` of a worker to its replacement being ready. */
async function replaceWorker({ ready }: Deployment, { reforkMs }: Result): Promise<void> {
  const known = ready().map(({ pid }) => pid)
  const killedAt = Date.now()
  process.kill(known.at(-1)!, 'SIGKILL')
  const replacement = await eventually(() => {
    const found = ready().find(({ pid }) => !known.includes(pid))
    if (!found) throw new Error('the worker was not replaced')
    return found
  }, reforkPatienceMs)
  reforkMs.push(replacement.at - killedAt)
}

/** By how much less CPU bare Koa did the same in the same round. */
function efficiencies({ workers, samples }: Result): number[] {
  const bare = results.find((each) => each.name === yardstick && each.workers === workers)
  return samples.map(({ cpuMicros }, round) => (bare?.samples[round]?.cpuMicros ?? NaN) / cpuMicros)
}

function report(all: readonly Result[]): void {
  const figures = all.map((result) => ({ ...result, efficiencies: efficiencies(result) }))
  writeReport({
    name: 'cluster',
    title: 'Workers: what they bring, and what it costs to have them',
    explanation: [
      `An authenticated GET /api/v1/auth/me over ${connections} keep-alive connections, ${rounds} rounds of ` +
        `${sampleMs} ms in turns. CPU is that of primary, workers and Redis (pm2: its daemon and the workers), from ` +
        'the scheduler. Efficiency is the CPU of bare Koa under node:cluster in the same round divided by the ' +
        "contender's: the median of the rounds, and the middle half of them.",
      `The workers, Redis and the client that makes the load share ${availableParallelism()} cores, and the load ` +
        `average was ${loadBefore.toFixed(1)} before the benchmark began. Requests per second say how much of such a ` +
        'machine a contender got, not how it scales on one with a core for each worker. The efficiency depends less on ' +
        'the rest of the machine; the middle halves tell how far to trust either.',
      `Boot is from the command (the daemon of pm2 runs already, as does Redis; the accounts exist) to the last ` +
        'worker being ready, refork from the kill -9 of a worker to its replacement being ready: with our backoff of ' +
        `50 to 100 ms, the others have none. The median and the range of the starts: ${starts} of each.`,
    ],
    tables: [
      {
        columns: ['', 'workers', 'requests/s', 'middle half', 'CPU us/request', 'efficiency', 'middle half'],
        rows: figures.map(({ name, workers, samples, efficiencies }) => {
          const rates = samples.map(({ requestsPerSecond }) => requestsPerSecond)
          return [
            name,
            workers,
            Math.round(median(rates)),
            middleHalf(rates, 0),
            median(samples.map(({ cpuMicros }) => cpuMicros)).toFixed(1),
            median(efficiencies).toFixed(3),
            middleHalf(efficiencies, 3),
          ]
        }),
      },
      {
        columns: ['', 'workers', 'boot ms', 'range', 'refork ms', 'range'],
        rows: figures.map(({ name, workers, bootMs, reforkMs }) => [
          name,
          workers,
          Math.round(median(bootMs)),
          range(bootMs),
          Math.round(median(reforkMs)),
          range(reforkMs),
        ]),
      },
    ],
    figures: { connections, loadBefore, contenders: figures },
  })
}

function middleHalf(values: readonly number[], digits: number): string {
  return [quantile(values, 0.25), quantile(values, 0.75)].map((each) => each.toFixed(digits)).join(' to ')
}

function range(values: readonly number[]): string {
  return `${Math.min(...values)} to ${Math.max(...values)}`
}
