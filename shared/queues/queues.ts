/**
 * Asking for jobs, and asking after them.
 *
 * An id that `enqueue` resolves to stands for a job that Redis has taken: it will be done, as durably as Redis
 * keeps its data. When it rejects with `Unavailable` the job may or may not have been taken; asking again with
 * the same `dedupeKey` cannot make it two. No call waits longer than `timeoutMs`, whatever state Redis is in.
 */
import { randomInt } from 'node:crypto'
import { FlowProducer, type JobsOptions, type Queue, type Telemetry } from 'bullmq'
import type { Redis } from 'ioredis'
import { Unavailable } from '../kernel/errors.ts'
import type { Service } from '../kernel/lifecycle.ts'
import { endedBehalf, type Behalf } from './behalf.ts'
import { JobQueue } from './bull.ts'
import { cancelJob, cancelledText, type Cancellation } from './cancellation.ts'
import { applyDeclaredLimits } from './declared-limits.ts'
import { listFailed, retryFailed, type FailedFilter, type FailedJob, type Retried } from './failed-jobs.ts'
import { bullFlow, enqueuedFlow, type EnqueuedFlow, type Flow } from './flow.ts'
import { jobsByName, type AnyJob, type Job } from './job.ts'
import { defaultPrefix, ticksQueue } from './keys.ts'
import { createPatience } from './patience.ts'
import { InvalidPayload } from './payload.ts'
import {
  answerTo,
  bullBackoff,
  bullRequest,
  type Enqueued,
  type EnqueueOptions,
  type JobRequest,
} from './request.ts'
import type { ScheduleDefinition } from './schedule.ts'
import { parseStoredJob, type StoredJob } from './stored-job.ts'
import { ticksByOurClock } from './tick-strategy.ts'

export interface QueuesOptions {
  /** Short commands only; not shared with workers, which wait on theirs. Opened and closed by the caller. */
  readonly redis: Redis
  readonly jobs: readonly AnyJob[]
  /** Applications that share a Redis need different ones. Use braces with a Redis Cluster. */
  readonly prefix?: string
  /** The longest that a call may take. Default 2 s. */
  readonly timeoutMs?: number
  readonly telemetry?: Telemetry
  /** Whether those on whose behalf a job waits have not ended, so that one that will not be done is not shown as waiting. */
  readonly stands?: (behalf: Behalf) => Promise<boolean>
}

/** A job as one may look at it. */
export interface JobView {
  readonly id: string
  readonly name: string
  /** BullMQ's word: waiting, prioritized, delayed, active, completed, failed; or `cancelled`, which is not done. */
  readonly state: string
  readonly progress: unknown
  readonly result?: unknown
  readonly failedReason?: string
  readonly attempts: number
  readonly by: string | null
}

export interface QueueNumbers {
  readonly waiting: number
  readonly active: number
  readonly delayed: number
  readonly failed: number
  readonly completed: number
  /** How long the job that is next has waited; 0 when none waits. */
  readonly oldestWaitingMs: number
}

export interface Queues extends Service {
  readonly jobs: ReadonlyMap<string, AnyJob>
  /**
   * Throws `InvalidPayload` when the job does not take this payload, `TypeError` for wrong options, `DedupeConflict`
   * when the `dedupeKey` belongs to a job with another payload.
   */
  enqueue<Stored>(
    job: Job<Stored, never>,
    payload: NoInfer<Stored>,
    options?: EnqueueOptions,
  ): Promise<Enqueued>
  /**
   * The same for many, in one round trip: none is taken when one of them is wrong. `InvalidPayload` names the fields
   * with their place, such as `3.to`.
   */
  enqueueMany<Stored>(
    job: Job<Stored, never>,
    requests: readonly JobRequest<NoInfer<Stored>>[],
  ): Promise<Enqueued[]>
  /** Takes all jobs of a flow, or none: `flow(report, { month }, { children: [flow(count, { day: 1 }), …] })`. */
  enqueueFlow(asked: Flow): Promise<EnqueuedFlow>
  /** Null when there is no such job, or not any more. */
  find(name: string, id: string): Promise<JobView | null>
  /**
   * Has a job not done: one that waits fails as `cancelled: reason` without being run, the signal of one that runs is
   * aborted, and it is not tried again.
   */
  cancel(job: Pick<AnyJob, 'name'>, id: string, reason?: string): Promise<Cancellation>
  /** Those that have failed for good and are still kept, the latest first. */
  failed(job: Pick<AnyJob, 'name'>, filter?: FailedFilter): Promise<FailedJob[]>
  /** Has those done again, from their first attempt. */
  retryFailed(job: Pick<AnyJob, 'name'>, filter?: FailedFilter): Promise<Retried>
  /** Writes what the jobs declare to hold for all processes, where that has changed. */
  applyDeclaredLimits(): Promise<void>
  /** Gives a tick of a schedule its run: one, however often it is asked. */
  addRun(definition: ScheduleDefinition, tick: number): Promise<'added' | 'left out'>
  /** How each queue is doing, the queue of ticks included. */
  measure(): Promise<Record<string, QueueNumbers>>
  /** For how long the delayed job that is next could have been done; 0 when none is due. */
  overdueMs(name: string): Promise<number>
  /** The queue itself, for a dashboard. */
  bull(name: string): Queue
}

/** So that no call holds Redis, or the event loop, for long. */
const mostAtOnce = 10_000

export function createQueues(options: QueuesOptions): Queues {
  const { redis, prefix = defaultPrefix, timeoutMs = 2_000, telemetry, stands } = options
  const jobs = jobsByName(options.jobs)
  const queues = new Map<string, Queue>()
  let flows: FlowProducer | null = null
  const patience = createPatience(timeoutMs, (cause) => new Unavailable('redis', { cause }))

  function bull(name: string): Queue {
    const open = queues.get(name)
    if (open) return open
    const queue = new JobQueue(name, {
      connection: redis,
      prefix,
      // Whether Redis is there and new enough is known by now; asking once more could only fail for good.
      skipVersionCheck: true,
      skipWaitingForReady: true,
      streams: { events: { maxLen: 1_000 } },
      settings: { repeatStrategy: ticksByOurClock },
      // A tick makes the next one: followed, they would be one trace without an end.
      ...(telemetry && name !== ticksQueue ? { telemetry } : {}),
    })
    // Every call reports its own failure.
    queue.on('error', () => {})
    queues.set(name, queue)
    return queue
  }

  /** Runs the call within the bound. It is not begun when it could only wait for a connection. */
  function ask<T>(call: () => Promise<T>): Promise<T> {
    if (redis.status !== 'ready') return Promise.reject(new Unavailable('redis'))
    return patience.within(call())
  }

  function refuseStrangers(job: AnyJob): void {
    if (jobs.get(job.name) !== job) throw new TypeError(`the job ${job.name} was not given to createQueues`)
  }

  async function add(name: string, stored: StoredJob, jobOptions: JobsOptions): Promise<string> {
    const added = await ask(() => bull(name).add(name, stored, jobOptions))
    return added.id as string
  }

  /** Null when it was not. One that runs has been told, and one that was done before is done. */
  async function whyCancelled(state: string, { cancelled, behalf }: StoredJob): Promise<string | null> {
    if (state === 'active' || state === 'completed') return null
    if (cancelled !== undefined) return cancelled
    if (state === 'failed' || behalf === undefined || stands === undefined) return null
    return (await stands(behalf)) ? null : endedBehalf[behalf.kind]
  }

  return {
    jobs,
    bull,

    async start() {
      if (redis.status === 'wait') await redis.connect()
      await ask(() => redis.ping())
      for (const name of [...jobs.keys(), ticksQueue]) bull(name)
    },

    async stop() {
      await Promise.all([...queues.values(), ...(flows ? [flows] : [])].map((open) => open.close()))
      flows = null
      queues.clear()
    },

    async enqueue(job, payload, about) {
      refuseStrangers(job)
      const request = bullRequest(job, payload, about)
      const { id } = await ask(() => bull(request.name).add(request.name, request.data, request.opts))
      return answerTo(request, id as string)
    },

    async enqueueMany(job, asked) {
      refuseStrangers(job)
      if (asked.length > mostAtOnce)
        throw new TypeError(`enqueueMany takes ${mostAtOnce} jobs at once at most`)
      const requests = asked.map(({ payload, options: about }, index) =>
        inList(index, () => bullRequest(job, payload, about)),
      )
      if (requests.length === 0) return []
      const added = await ask(() => bull(job.name).addBulk(requests))
      return requests.map((request, index) => answerTo(request, added[index]?.id as string))
    },

    async enqueueFlow(asked) {
      const tree = bullFlow(asked, prefix, refuseStrangers)
      flows ??= new FlowProducer({ connection: redis, prefix, ...(telemetry ? { telemetry } : {}) })
      const producer = flows
      return enqueuedFlow(await ask(() => producer.add(tree)))
    },

    async overdueMs(name) {
      const [, score] = await ask(() => redis.zrange(bull(name).toKey('delayed'), '0', '0', 'WITHSCORES'))
      // BullMQ keeps the time in milliseconds above 12 bits, which keep jobs of the same moment in order.
      return score === undefined ? 0 : Math.max(0, Date.now() - Math.floor(Number(score) / 0x1000))
    },

    async find(name, id) {
      if (!jobs.has(name) || !isJobId(id)) return null
      // The state first: a job that ends in between then looks unfinished, not finished without a result.
      const [state, job] = await ask(() => Promise.all([bull(name).getJobState(id), bull(name).getJob(id)]))
      if (!job || state === 'unknown') return null
      const why = await whyCancelled(state, storedOf(job.data))
      if (why !== null) {
        const { progress, attemptsMade: attempts } = job
        const failedReason = cancelledText(why)
        return { id, name, state: 'cancelled', progress, failedReason, attempts, by: askerOf(job.data) }
      }
      return {
        id,
        name,
        state,
        progress: job.progress,
        ...(state === 'completed' ? { result: job.returnvalue ?? null } : {}),
        ...(state === 'failed' ? { failedReason: job.failedReason } : {}),
        attempts: job.attemptsMade,
        by: askerOf(job.data),
      }
    },

    async cancel({ name }, id, reason = 'by the application') {
      if (!jobs.has(name) || !isJobId(id)) return 'unknown'
      return ask(() => cancelJob({ redis, queue: bull(name), prefix }, id, reason))
    },

    async failed({ name }, filter) {
      return jobs.has(name) ? ask(() => listFailed(bull(name), filter)) : []
    },

    async retryFailed({ name }, filter) {
      const job = jobs.get(name)
      if (!job) return { retried: 0, skipped: 0 }
      return ask(() => retryFailed(bull(name), job, filter))
    },

    applyDeclaredLimits: () => ask(() => applyDeclaredLimits(redis, prefix, jobs.values(), bull)),

    async addRun(definition, tick) {
      const { name, job, data, overlap, jitterMs, options: jobOptions } = definition
      const jobId = `${name}@${tick}`
      const id = await add(
        job,
        { payload: data, schedule: name, tick },
        {
          jobId,
          attempts: jobOptions.attempts,
          backoff: bullBackoff(jobOptions.backoff),
          ...(jobOptions.priority > 0 ? { priority: jobOptions.priority } : {}),
          ...(jitterMs > 0 ? { delay: randomInt(jitterMs + 1) } : {}),
          // Held from here until the run has ended for good, through retries, drains and dead workers.
          ...(overlap === 'forbid' ? { deduplication: { id: `schedule-${name}` } } : {}),
        },
      )
      return id === jobId ? 'added' : 'left out'
    },

    async measure() {
      const names = [...jobs.keys(), ticksQueue]
      const numbers = await Promise.all(names.map((name) => ask(() => measureQueue(bull(name)))))
      return Object.fromEntries(names.map((name, index) => [name, numbers[index] as QueueNumbers]))
    },
  }
}

function isJobId(id: string): boolean {
  return /^[\w@.-]{1,200}$/.test(id)
}

async function measureQueue(queue: Queue): Promise<QueueNumbers> {
  const counts = await queue.getJobCounts(
    'waiting',
    'prioritized',
    'active',
    'delayed',
    'failed',
    'completed',
  )
  const next = await queue.getJobs(['waiting', 'prioritized'], 0, 0, true)
  const now = Date.now()
  const ages = next.filter((job) => job !== undefined).map((job) => now - job.timestamp - (job.delay ?? 0))
  const { waiting = 0, prioritized = 0, active = 0, delayed = 0, failed = 0, completed = 0 } = counts
  return {
    waiting: waiting + prioritized,
    active,
    delayed,
    failed,
    completed,
    oldestWaitingMs: Math.max(0, ...ages),
  }
}

/** Null also when what is stored is damaged: then it is nobody's. */
function askerOf(data: unknown): string | null {
  return storedOf(data).by ?? null
}

function storedOf(data: unknown): StoredJob {
  try {
    return parseStoredJob(data)
  } catch {
    return {}
  }
}

function inList<T>(index: number, check: () => T): T {
  try {
    return check()
  } catch (failure) {
    if (!(failure instanceof InvalidPayload)) throw failure
    const at = (field: string) => (field === '' ? String(index) : `${index}.${field}`)
    throw new InvalidPayload(
      failure.job,
      failure.problems.map(({ field, message }) => ({ field: at(field), message })),
    )
  }
}

export type { Enqueued, EnqueueOptions, JobRequest }
