/**
 * What it costs to ask a rate limiter: checks per second and trips to Redis, several processes on one Redis, each
 * limiter under the same loads, in rounds that take turns. `npm run bench:limits`
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { openRedis } from '../shared/kernel/redis/connections.ts'
import { startRedis } from '../test/support/redis.ts'
import { contenders } from './limits/contenders.js'
import type { Count, Load, Order } from './limits/worker.ts'
import { checkGoals } from './support/goals.ts'
import { writeReport } from './support/report.ts'
import { median } from './support/statistics.ts'

const processes = 2
const rounds = 3
const rule = { limit: 1_000, windowMs: 1_000 }
const forMs = 2_000
const loads: readonly Load[] = ['hot key', 'Zipf', 'uniform']

const redis = await startRedis({ port: 'unix' })
const client = openRedis({ kind: 'single', url: redis.url }, 'commands')
const workers = await Promise.all(Array.from({ length: processes }, startWorker))

interface Result extends Count {
  readonly contender: string
  readonly load: Load
}

const results: Result[] = []
for (let round = 0; round < rounds; round += 1) {
  for (const load of loads) {
    for (const contender of Object.keys(contenders)) {
      await client.flushall()
      const counts = await Promise.all(
        workers.map((worker) => run(worker, { contender, load, ...rule, forMs })),
      )
      results.push({ contender, load, ...add(counts) })
      process.stderr.write(`round ${round + 1}: ${load}, ${contender}\n`)
    }
  }
}

for (const worker of workers) worker.kill()
client.disconnect()
await redis.stop()

const rows = loads.flatMap((load) => Object.keys(contenders).map((contender) => rowOf(contender, load)))
writeReport({
  name: 'limits',
  title: 'What a rate limit costs',
  explanation: [
    `${processes} processes on one Redis check as fast as they can, ${rule.limit} per ${rule.windowMs} ms and key; ` +
      'most checks on the hot key are denials. Median of ' +
      `${rounds} rounds of ${forMs / 1_000} s.`,
    '"Trips" are commands that were sent to Redis. "Admitted" is in all processes; more than the limit in each of ' +
      'the windows is what a fixed window lets through.',
  ],
  tables: [
    {
      columns: ['load and limiter', 'checks/s', 'admitted/s', 'trips per check', 'trips per admitted'],
      rows,
    },
  ],
  figures: results,
})

const rateOf = (contender: string, load: Load) =>
  results
    .filter((result) => result.contender === contender && result.load === load)
    .map(({ checks }) => checks)
checkGoals(
  (
    [
      ['uniform', 1.5],
      ['Zipf', 2],
    ] as const
  ).map(([load, atLeast]) => {
    const theirs = rateOf('rate-limiter-flexible', load)
    const measured = rateOf('Lockstep', load).map((checks, round) => checks / (theirs[round] ?? NaN))
    return { what: `checks a second, ${load} keys, against rate-limiter-flexible`, measured, atLeast }
  }),
)

async function startWorker(): Promise<ChildProcess> {
  const worker = path.join(import.meta.dirname, 'limits', 'worker.ts')
  const child = fork(worker, [redis.url], { execArgv: ['--import', 'tsx'] })
  await once(child, 'message')
  return child
}

async function run(worker: ChildProcess, order: Order): Promise<Count> {
  const counted = once(worker, 'message')
  worker.send(order)
  const [count] = (await counted) as [Count]
  return count
}

function add(counts: readonly Count[]): Count {
  const sum = (of: (count: Count) => number) => counts.reduce((total, count) => total + of(count), 0)
  return {
    checks: sum(({ checks }) => checks),
    admitted: sum(({ admitted }) => admitted),
    trips: sum(({ trips }) => trips),
  }
}

function rowOf(contender: string, load: Load): (string | number)[] {
  const own = results.filter((result) => result.contender === contender && result.load === load)
  const middle = (of: (result: Result) => number) => median(own.map(of))
  const perSecond = (of: (result: Result) => number) =>
    Math.round(middle(of) / (forMs / 1_000)).toLocaleString('en')
  return [
    `${load}: ${contender}`,
    perSecond(({ checks }) => checks),
    perSecond(({ admitted }) => admitted),
    rounded(middle(({ trips, checks }) => trips / checks)),
    rounded(middle(({ trips, admitted }) => trips / Math.max(1, admitted))),
  ]
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(2)))
}
