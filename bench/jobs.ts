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
import { writeReport } from './support/report.ts'
import { median } from './support/statistics.ts'

const rounds = 9
const jobsPerRound = 4_000
const concurrency = 50
const payload = { to: 'ada@example.com', subject: 'Your order', lines: 3 }

interface Contender {
  enqueue(): Promise<unknown>
  /** Does everything that waits; `done` is called after each job. */
  work(done: () => void): Promise<{ stop(): Promise<void> }>
  close(): Promise<void>
}

function rawBullMq(url: string): Contender {
  const connection = openRedis({ kind: 'single', url }, 'blocking')
  const queue = new Queue('raw', { connection })
  return {
    enqueue: () => queue.add('raw', payload, { attempts: 3, backoff: { type: 'exponential', delay: 1_000 } }),
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
const figures = { enqueue: {} as Record<string, number[]>, process: {} as Record<string, number[]> }

for (let round = 0; round <= rounds; round++) {
  // In turns, the other one first each time; round 0 warms up.
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    const enqueued = await enqueueRate(contenders[name])
    const processed = await processRate(contenders[name])
    if (round === 0) continue
    ;(figures.enqueue[name] ??= []).push(enqueued)
    ;(figures.process[name] ??= []).push(processed)
  }
}
for (const contender of Object.values(contenders)) await contender.close()
await server.stop()

const rates = (kind: 'enqueue' | 'process') => {
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
  tables: [{ columns: ['', 'raw BullMQ', 'Lockstep', 'ratio'], rows: [rates('enqueue'), rates('process')] }],
  figures,
})
