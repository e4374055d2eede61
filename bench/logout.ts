/**
 * How long does a logout take that is true everywhere? From sending `POST /api/v1/auth/logout` to the complete
 * 204, over a connection that is open, while every worker holds the session in its memory; afterwards every worker
 * must refuse it. With healthy workers, and with one that hangs (SIGSTOP) and so can't confirm: then the logout
 * waits until that worker's lease is over. With few sessions in Redis and with many.
 *
 * `npm run bench:logout [-- --sessions=1000,1000000] [--logouts=300]`
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openRedis } from '../shared/kernel/redis/connections.ts'
import { startCluster, type TestCluster } from '../test/support/cluster.ts'
import { startRedis } from '../test/support/redis.ts'
import { fillSessions } from './logout/fill-sessions.ts'
import { connectToEveryWorker, type WorkerConnection } from './logout/worker-connections.ts'
import { writeReport } from './support/report.ts'
import { quantile } from './support/statistics.ts'

const { values: options } = parseArgs({
  options: {
    sessions: { type: 'string', default: '1000,1000000' },
    workers: { type: 'string', default: '1,2,4,8' },
    logouts: { type: 'string', default: '300' },
    hangs: { type: 'string', default: '30' },
  },
})
const workerCounts = options.workers.split(',').map(Number)
const logouts = Number(options.logouts)
const hangs = Number(options.hangs)
const leaseMs = 1_000
const withHungWorker = 4

interface Result {
  readonly sessions: number
  readonly workers: number
  readonly hung: number
  readonly ms: readonly number[]
}

const results: Result[] = []
for (const sessions of options.sessions.split(',').map(Number)) results.push(...(await measureWith(sessions)))
report(results)

async function measureWith(sessions: number): Promise<Result[]> {
  const redis = await startRedis()
  // Not bounded: it fills.
  const client = openRedis({ kind: 'single', url: redis.url }, 'blocking')
  // All clusters are one deployment: sessions are created under its keys, which the first start chooses.
  const place = { redisUrl: redis.url, dataDir: await mkdtemp(path.join(tmpdir(), 'lockstep-bench-')) }
  try {
    await (await startCluster({ ...place, workers: 1 })).stop()
    process.stderr.write(`creating ${sessions} sessions ...\n`)
    await fillSessions(client, 'user', { users: (sessions - logouts) / 10, sessionsEach: 10 })
    let cohort = 0
    const signIn = (users: number) =>
      fillSessions(client, `leaving-${(cohort += 1)}`, { users, sessionsEach: 1 })

    const measured: Result[] = []
    for (const workers of workerCounts) {
      const ms = await withCluster(place, workers, async (_, all) => healthy(all, await signIn(logouts)))
      measured.push({ sessions, workers, hung: 0, ms })
    }
    const ms = await withCluster(place, withHungWorker, async (cluster, all) =>
      oneHung(cluster, all, await signIn(hangs)),
    )
    return [...measured, { sessions, workers: withHungWorker, hung: 1, ms }]
  } finally {
    client.disconnect()
    await redis.stop()
    await rm(place.dataDir, { recursive: true, force: true })
  }
}

async function withCluster<T>(
  place: { redisUrl: string; dataDir: string },
  workers: number,
  use: (cluster: TestCluster, connections: WorkerConnection[]) => Promise<T>,
): Promise<T> {
  process.stderr.write(`${workers} workers ...\n`)
  const env = {
    NODE_ENV: 'production',
    EXPOSE_WORKER: 'on',
    LEASE: `${leaseMs}ms`,
    LIMIT_API: 'off',
    TRUST_PROXY: '1',
    DRAIN_DELAY: '0s',
  }
  const cluster = await startCluster({ ...place, workers, env })
  try {
    const connections = await connectToEveryWorker(cluster.url, workers)
    // An incarnation that is new to all workers must settle before anything is confirmed.
    await pause(3_000)
    const result = await use(cluster, connections)
    for (const connection of connections) connection.close()
    return result
  } finally {
    await cluster.stop()
  }
}

async function healthy(workers: readonly WorkerConnection[], tokens: readonly string[]): Promise<number[]> {
  const times: number[] = []
  for (const [turn, token] of tokens.entries()) {
    times.push(await logout(workers[turn % workers.length]!, workers, token))
    await expectStatus(401, workers, token)
  }
  return times
}

/** The last worker hangs before each logout, and is given time to catch up after it. */
async function oneHung(
  cluster: TestCluster,
  workers: readonly WorkerConnection[],
  tokens: readonly string[],
): Promise<number[]> {
  const times: number[] = []
  const others = workers.slice(0, -1)
  const victim = workers.at(-1)!.slot
  for (const token of tokens) {
    await pause(leaseMs + Math.random() * leaseMs)
    await expectStatus(200, workers, token)
    cluster.signalWorker(victim, 'SIGSTOP')
    times.push(await logout(others[0]!, others, token))
    await expectStatus(401, others, token)
    cluster.signalWorker(victim, 'SIGCONT')
    await expectStatus(401, workers, token)
  }
  return times
}

/** Has every worker take the session into its memory, and ends it through one of them. */
async function logout(
  through: WorkerConnection,
  workers: readonly WorkerConnection[],
  token: string,
): Promise<number> {
  await expectStatus(200, workers, token)
  const { status, ms } = await through.send('POST', '/api/v1/auth/logout', token)
  if (status !== 204) throw new Error(`a logout was answered with ${status}`)
  return Math.round(ms * 100) / 100
}

async function expectStatus(
  expected: number,
  workers: readonly WorkerConnection[],
  token: string,
): Promise<void> {
  const answers = await Promise.all(workers.map((each) => each.send('GET', '/api/v1/auth/me', token)))
  const wrong = answers.find(({ status }) => status !== expected)
  if (wrong) throw new Error(`a worker answered ${wrong.status} where ${expected} was right`)
}

function report(all: readonly Result[]): void {
  const rows = all.map(({ sessions, workers, hung, ms }) => [
    sessions.toLocaleString('en'),
    hung > 0 ? `${workers}, one hung` : workers,
    ms.length,
    ...[quantile(ms, 0.5), quantile(ms, 0.99), Math.max(...ms)].map((each) => each.toFixed(1)),
  ])
  writeReport({
    name: 'logout',
    title: 'A confirmed logout',
    explanation: [
      'Milliseconds from sending the logout to its complete 204, one at a time, each with the session in the memory ' +
        'of every worker; afterwards every worker was asked and refused it. All workers, Redis and the client share ' +
        `the cores. A hung worker (SIGSTOP) delays the logout until its lease is over, at most LEASE = ${leaseMs} ms ` +
        'and the slack of the protocol.',
    ],
    tables: [
      { columns: ['sessions in Redis', 'workers', 'logouts', 'p50 ms', 'p99 ms', 'longest ms'], rows },
    ],
    figures: { leaseMs, results: all },
  })
}
