/**
 * What our queues cost on top of BullMQ: the same jobs enqueued and done by raw BullMQ and by us, in turns, on one
 * Redis, in one process. Run: npm run bench:jobs
 */
import { Queue, Worker } from 'bullmq'
import { z } from 'zod'
import { deadlineIn } from '../shared/kernel/lifecycle.ts'
import { createJobWorkers } from '../shared/queues/job-workers.ts'
import { defineJob } from '../shared/queues/job.ts'
import { createQueues } from '../shared/queues/queues.ts'
import { openRedis } from '../shared/kernel/redis/connections.ts'
import { createLogger } from '../shared/telemetry/log.ts'
import { startRedis } from '../test/support/redis.ts'
import { checkGoals } from './support/goals.ts'
import { writeReport } from './support/report.ts'
import { median } from './support/statistics.ts'

const rounds = 9
const jobsPerRound = 4_000
const concurrency = 50
const payload = { to: 'ada@example.com', subject: 'Your order', lines: 3 }

const backoff = { type: 'exponential', delay: 1_000 } as const
/** Of one call that asks for many. */
const manyAtOnce = 100

interface Contender {
  enqueue(): Promise<unknown>
  /** Asks for so many in one call. */
  enqueueMany(count: number): Promise<unknown>
  /** Does everything that waits; `done` is called after each job. */
  work(done: () => void): Promise<{ stop(): Promise<void> }>
  close(): Promise<void>
}

function rawBullMq(url: string): Contender {
  const connection = openRedis({ kind: 'single', url }, 'blocking')
  const queue = new Queue('raw', { connection })
  return {
    enqueue: () => queue.add('raw', payload, { attempts: 3, backoff }),
    enqueueMany: (count) =>
      queue.addBulk(
        Array.from({ length: count }, () => ({ name: 'raw', data: payload, opts: { attempts: 3, backoff } })),
      ),
    async work(done) {
      const handler = async () => done()
      const removeOnComplete = { count: 1_000, age: 86_400 }
      const worker = new Worker('raw', handler, { connection, concurrency, removeOnComplete })
      return { stop: () => worker.close() }
    },
    async close() {
      await queue.close()
      connection.disconnect()
    },
  }
}

async function lockstep(url: string): Promise<Contender> {
  const target = { kind: 'single', url } as const
  const redis = openRedis(target, 'commands', { commandTimeoutMs: 10_000 })
  let done = () => {}
  const job = defineJob({
    name: 'ours',
    payload: z.strictObject({ to: z.string(), subject: z.string(), lines: z.int() }),
    concurrency,
    handler: async () => done(),
  })
  const queues = createQueues({ redis, jobs: [job], timeoutMs: 10_000 })
  await queues.start()
  return {
    enqueue: () => queues.enqueue(job, payload),
    enqueueMany: (count) =>
      queues.enqueueMany(
        job,
        Array.from({ length: count }, () => ({ payload })),
      ),
    async work(then) {
      done = then
      const workers = createJobWorkers({
        connect: () => openRedis(target, 'blocking'),
        queues,
        jobs: [job],
        services: undefined,
        log: createLogger({ level: 'silent', pretty: false }),
      })
      await workers.start()
      return { stop: () => workers.stop(deadlineIn(5_000)) }
    },
    async close() {
      await queues.stop(deadlineIn(1_000))
      redis.disconnect()
    },
  }
}

/** Jobs a second, asked for by `concurrency` callers of which each waits for its answer. */
async function enqueueRate({ enqueue }: Contender): Promise<number> {
  const begin = performance.now()
  let left = jobsPerRound
  async function caller(): Promise<void> {
    while (left-- > 0) await enqueue()
  }
  await Promise.all(Array.from({ length: concurrency }, caller))
  return (jobsPerRound / (performance.now() - begin)) * 1_000
}

/** Jobs a second, asked for a hundred at a time. */
async function bulkRate({ enqueueMany }: Contender): Promise<number> {
  const begin = performance.now()
  for (let left = jobsPerRound; left > 0; left -= manyAtOnce) await enqueueMany(manyAtOnce)
  return (jobsPerRound / (performance.now() - begin)) * 1_000
}

/** Jobs a second, from the first that is done to the last. */
async function processRate(contender: Contender): Promise<number> {
  let finished = 0
  let begin = 0
  let end = () => {}
  const all = new Promise<void>((resolve) => (end = resolve))
  const worker = await contender.work(() => {
    if (finished === 0) begin = performance.now()
    if (++finished === jobsPerRound) end()
  })
  await all
  const seconds = (performance.now() - begin) / 1_000
  await worker.stop()
  return jobsPerRound / seconds
}

const server = await startRedis({ port: 'unix' })
const contenders = { 'raw BullMQ': rawBullMq(server.url), Lockstep: await lockstep(server.url) }
const names = Object.keys(contenders) as (keyof typeof contenders)[]
const figures = {
  enqueue: {} as Record<string, number[]>,
  enqueueMany: {} as Record<string, number[]>,
  process: {} as Record<string, number[]>,
}
type Kind = keyof typeof figures

for (let round = 0; round <= rounds; round++) {
  // In turns, the other one first each time; round 0 warms up.
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    const enqueued = await enqueueRate(contenders[name])
    const processed = await processRate(contenders[name])
    const inBulk = await bulkRate(contenders[name])
    await processRate(contenders[name])
    if (round === 0) continue
    ;(figures.enqueue[name] ??= []).push(enqueued)
    ;(figures.process[name] ??= []).push(processed)
    ;(figures.enqueueMany[name] ??= []).push(inBulk)
  }
}
for (const contender of Object.values(contenders)) await contender.close()
await server.stop()

const rates = (kind: Kind) => {
  const [raw = NaN, ours = NaN] = names.map((name) => median(figures[kind][name] ?? []))
  return [kind, Math.round(raw), Math.round(ours), (ours / raw).toFixed(2)]
}
writeReport({
  name: 'jobs',
  title: 'Jobs: what our queues cost on top of BullMQ',
  explanation: [
    `Jobs a second: the median of ${rounds} rounds of ${jobsPerRound} jobs, ${concurrency} at once, raw BullMQ and ` +
      'Lockstep in turns on one Redis in one process. Lockstep checks each payload twice, bounds each call, limits ' +
      'each attempt and can hand it over; the ratio shows what that costs.',
  ],
  tables: [
    {
      columns: ['', 'raw BullMQ', 'Lockstep', 'ratio'],
      rows: [rates('enqueue'), rates('enqueueMany'), rates('process')],
    },
  ],
  figures,
})

checkGoals(
  (['enqueue', 'enqueueMany', 'process'] as const).map((kind) => {
    const [raw = [], ours = []] = names.map((name) => figures[kind][name] ?? [])
    return {
      what: `${kind}, against raw BullMQ`,
      measured: ours.map((rate, round) => rate / (raw[round] ?? NaN)),
      atLeast: 0.97,
    }
  }),
)
