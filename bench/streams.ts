/**
 * What do open streams cost? Many signed-in users listen to a channel on the built server with 1, 2 and 4 workers: the
 * memory of each stream, how long after `broadcast` an event arrives at all of them when few are sent, how many
 * deliveries a second there are when many are, and the CPU time of one. All of it in one process tree: primary, workers
 * and Redis; the readers are a process of their own.
 *
 * `npm run bench:streams [-- --streams=10000] [--workers=1,2,4] [--events=50]`
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openRedis } from '../shared/kernel/redis/connections.ts'
import { makeApplicationFolder } from '../test/support/application-folder.ts'
import { startCluster, withoutLimits, type TestCluster } from '../test/support/cluster.ts'
import { eventually } from '../test/support/eventually.ts'
import { send } from '../test/support/http.ts'
import { startRedis } from '../test/support/redis.ts'
import { fillSessions } from './logout/fill-sessions.ts'
import type { ClientOrder, Counted } from './streams/clients.ts'
import { cpuTimeMs, processTree } from './support/cpu-time.ts'
import { writeReport } from './support/report.ts'

const { values: options } = parseArgs({
  options: {
    streams: { type: 'string', default: '10000' },
    workers: { type: 'string', default: '1,2,4' },
    events: { type: 'string', default: '50' },
  },
})
const streams = Number(options.streams)
const events = Number(options.events)
/** As many as one user may have open on a worker. */
const streamsEach = Math.min(50, streams)
const calmEvents = 20
const calmPauseMs = 250

interface Result {
  readonly workers: number
  readonly streams: number
  readonly bytesPerStream: number
  readonly calm: Counted
  readonly burst: Counted
  readonly cpuMicrosPerDelivery: number
}

const application = `
import { defineApp, defineRoute, defineStream, z } from 'lockstep'
export default defineApp({
  name: 'bench',
  streams: [defineStream({
    path: '/bench', access: 'signed-in', limits: [], summary: 'The channel',
    open: (ctx, stream) => stream.join('bench'),
  })],
  routes: [defineRoute({
    method: 'POST', path: '/tell', access: 'anyone', limits: [], summary: 'Tell the channel',
    body: z.strictObject({ events: z.int() }), replies: { 204: { description: 'Told' } },
    async handler(ctx, { body }, { broadcast }) {
      const tell = () => broadcast('bench', String(Number(process.hrtime.bigint()) / 1e6))
      await Promise.all(Array.from({ length: body.events }, tell))
      ctx.status = 204
    },
  })],
})
`

const results: Result[] = []
for (const workers of options.workers.split(',').map(Number)) {
  process.stderr.write(`${workers} workers ...\n`)
  results.push(await measureWith(workers))
}
report(results)

async function measureWith(workers: number): Promise<Result> {
  const folder = await makeApplicationFolder({ 'app.js': application })
  const redis = await startRedis()
  const client = openRedis({ kind: 'single', url: redis.url }, 'blocking')
  const cluster = await startCluster({
    workers,
    redisUrl: redis.url,
    applicationFile: './app.js',
    cwd: folder.path,
    env: withoutLimits,
  })
  const readers = startReaders()
  try {
    const users = Math.ceil(streams / streamsEach)
    const tokens = await fillSessions(client, 'reader', { users, sessionsEach: 1 })
    return await measure(cluster, readers, redis.pid, { workers, tokens })
  } finally {
    await readers.stop()
    client.disconnect()
    await cluster.stop()
    await redis.stop()
    await folder.remove()
  }
}

async function measure(
  cluster: TestCluster,
  readers: Readers,
  redisPid: number,
  { workers, tokens }: { workers: number; tokens: readonly string[] },
): Promise<Result> {
  const tree = () => [...processTree(cluster.primaryPid), redisPid]
  const port = Number(new URL(cluster.url).port)
  const before = residentBytes(tree())
  await readers.open({ kind: 'open', port, tokens, each: streamsEach })
  await pause(2_000)
  const bytesPerStream = (residentBytes(tree()) - before) / streams
  await tellAndCount(cluster, readers, 1)

  for (let told = 0; told < calmEvents; told++) {
    await tell(cluster, 1)
    await pause(calmPauseMs)
  }
  const calm = await counted(readers, calmEvents)
  const cpuBefore = cpuTimeMs(tree())
  const burst = await tellAndCount(cluster, readers, events)
  const cpuMicrosPerDelivery = ((cpuTimeMs(tree()) - cpuBefore) * 1_000) / burst.received
  return { workers, streams: burst.open, bytesPerStream, calm, burst, cpuMicrosPerDelivery }
}

async function tell({ url }: TestCluster, count: number): Promise<void> {
  const told = await send(`${url}/tell`, { method: 'POST', body: { events: count }, timeoutMs: 60_000 })
  if (told.status !== 204) throw new Error(`telling was answered ${told.status}: ${told.body}`)
}

async function tellAndCount(cluster: TestCluster, readers: Readers, count: number): Promise<Counted> {
  await tell(cluster, count)
  return counted(readers, count)
}

/** Waits until all have arrived: at most once means that none is lost while nothing breaks. */
async function counted(readers: Readers, told: number): Promise<Counted> {
  const parts: Counted[] = []
  await eventually(async () => {
    parts.push(await readers.count())
    const received = parts.reduce((sum, part) => sum + part.received, 0)
    if (received < told * streams) throw new Error(`${received} of ${told * streams} deliveries have arrived`)
  }, 120_000)
  return parts.filter(({ received }) => received > 0).reduce(joined)
}

/** Two looks at the same deliveries: the later has those that arrived later. */
function joined(one: Counted, other: Counted): Counted {
  return {
    open: other.open,
    received: one.received + other.received,
    p50Ms: (one.p50Ms * one.received + other.p50Ms * other.received) / (one.received + other.received),
    p99Ms: Math.max(one.p99Ms, other.p99Ms),
    spanMs: Math.max(one.spanMs, other.spanMs),
  }
}

function residentBytes(pids: readonly number[]): number {
  let bytes = 0
  for (const pid of pids) {
    const [, kilobytes = '0'] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
    bytes += Number(kilobytes) * 1_024
  }
  return bytes
}

interface Readers {
  open(order: ClientOrder): Promise<void>
  count(): Promise<Counted>
  stop(): Promise<void>
}

function startReaders(): Readers {
  const child: ChildProcess = fork(path.join(import.meta.dirname, 'streams', 'clients.ts'), {
    execArgv: ['--import', 'tsx'],
  })
  async function ask(order: ClientOrder): Promise<object> {
    const answer = once(child, 'message')
    child.send(order)
    return (await answer)[0] as object
  }
  return {
    async open(order) {
      const answer = await ask(order)
      if ('failed' in answer) throw new Error(`a stream was not opened: ${String(answer.failed)}`)
    },
    count: async () => (await ask({ kind: 'count' })) as Counted,
    async stop() {
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}

function report(measured: readonly Result[]): void {
  const rows = measured.map(({ workers, bytesPerStream, calm, burst, cpuMicrosPerDelivery }) => [
    workers,
    `${(bytesPerStream / 1_024).toFixed(1)} KiB`,
    `${calm.p50Ms.toFixed(1)} ms`,
    `${calm.p99Ms.toFixed(1)} ms`,
    Math.round(burst.received / (burst.spanMs / 1_000)).toLocaleString('en'),
    `${cpuMicrosPerDelivery.toFixed(1)} us`,
  ])
  writeReport({
    name: 'streams',
    title: `${streams.toLocaleString('en')} open streams`,
    explanation: [
      `Each is of a signed-in user (${streamsEach} each), watched over its session, and has joined one channel. Memory: what ` +
        'primary, workers and Redis grew by, shared pages counted once, for each stream. Latency: from `broadcast` to the ' +
        `arrival at each of them, ${1_000 / calmPauseMs} events a second. Deliveries a second: ${events} events at once, to ` +
        'the last arrival. CPU: of all processes of the server and Redis, for one delivery of those.',
    ],
    tables: [
      {
        columns: ['workers', 'memory', 'latency p50', 'p99', 'deliveries/s', 'CPU'],
        rows,
      },
    ],
    figures: measured,
  })
}
