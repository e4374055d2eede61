/**
 * Takes jobs from one queue and has them worked on, for as long as the process lives.
 *
 * A BullMQ worker can be dead without saying so: its connection ended for good while it was made, or its loop is
 * stuck in a retry after a reconnect. It goes on existing, and fetches nothing. So this looks from outside, every
 * third of a lock's life: jobs wait or are overdue, we have hands free, nothing holds them back (a pause, a rate limit,
 * a global concurrency), and we took none up for two looks in a row. Then the worker is replaced by one with new
 * connections.
 */
import type { Job as BullJob, KeepJobs, Telemetry, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { systemClock } from '../kernel/clock.ts'
import { remaining, type Deadline, type Service } from '../kernel/lifecycle.ts'
import { Cancelled } from './cancellation.ts'
import { createSparingWarning } from '../telemetry/sparing-log.ts'
import { JobWorker } from './bull.ts'
import { mostAttempts, type Log } from './job.ts'
import type { Queues } from './queues.ts'
import { createRunningJobs, type RunningJob } from './running-jobs.ts'
import { settleMs } from './attempt.ts'
import { forsakeJobs } from './scripts.ts'
import { ticksByOurClock } from './tick-strategy.ts'

/** How soon the death of a worker is noticed, and how much a job may bear. */
export interface RecoveryLimits {
  /** How long a worker keeps a job without a sign of life. Default 30 s. */
  readonly lockMs: number
  /** How often it is looked for jobs whose lock has run out. Default 5 s. */
  readonly stalledCheckMs: number
  /** How often a job may lose its worker before it counts as the cause of it. Default 5. */
  readonly maxStalls: number
}

export const defaultRecovery: RecoveryLimits = { lockMs: 30_000, stalledCheckMs: 5_000, maxStalls: 5 }

/** How often a job may be started in all: handing it over at each deploy is no fault of its own. */
const handOversAllowed = 100

export interface ConsumerOptions {
  readonly queue: string
  readonly queues: Queues
  readonly prefix: string
  /** Opens a connection for blocking commands; closed by the consumer. */
  readonly connect: () => Redis
  /** What the process is called; no two alike, also not one after the other. */
  readonly worker?: string | undefined
  readonly concurrency: number
  readonly keepCompleted: KeepJobs
  readonly keepFailed: KeepJobs
  readonly recovery: RecoveryLimits
  readonly log: Log
  readonly telemetry?: Telemetry
  readonly process: (job: BullJob, token: string, running: RunningJob) => Promise<unknown>
  /** Called with each attempt's end and duration. */
  readonly onEnd?: (outcome: 'completed' | 'failed', job: BullJob, forGood: boolean) => void
}

export interface Consumer extends Service {
  /** Has the jobs of a worker that has certainly died done again at once, instead of when its locks run out. */
  takeOver(worker: string): Promise<void>
  /** Interrupts the job, if it is running here. */
  cancel(id: string): void
}

export function createConsumer(options: ConsumerOptions): Consumer {
  const { queue, queues, recovery, log, concurrency } = options
  const running = createRunningJobs(systemClock, recovery.lockMs)
  const retired = new Set<Promise<void>>()
  // During an outage every attempt to connect is an error; the first says it all, until it is over.
  const warn = createSparingWarning(log)
  let current: { worker: Worker; redis: Redis } | null = null
  let nextLook: NodeJS.Timeout | undefined
  let looking = Promise.resolve()
  let stopping = false
  let taken = 0
  let takenAtLastLook = 0
  let idleLooks = 0

  async function open(): Promise<{ worker: Worker; redis: Redis }> {
    const redis = await connected(options.connect())
    const worker = new JobWorker(queue, processJob, {
      connection: redis,
      prefix: options.prefix,
      concurrency,
      lockDuration: recovery.lockMs,
      stalledInterval: recovery.stalledCheckMs,
      maxStalledCount: recovery.maxStalls,
      maxStartedAttempts: mostAttempts + recovery.maxStalls + handOversAllowed,
      removeOnComplete: options.keepCompleted,
      removeOnFail: options.keepFailed,
      runRetryDelay: 1_000,
      // Sleeping longer than this after a rate limit was lifted, it would be taken for dead.
      maximumRateLimitDelay: recovery.lockMs / 3,
      settings: { repeatStrategy: ticksByOurClock },
      ...(options.telemetry ? { telemetry: options.telemetry } : {}),
      ...(options.worker === undefined ? {} : { name: options.worker }),
    })
    worker.on('locksRenewed', ({ jobIds }) => running.renewed(jobIds))
    worker.on('lockRenewalFailed', (ids) => running.lost(ids))
    worker.on('error', (cause) =>
      warn(cause.message, { queue, err: cause }, 'the worker of a queue met an error'),
    )
    worker.on('stalled', (jobId) => log.warn({ queue, jobId }, 'a job lost its worker and waits again'))
    worker.on('completed', (job) => options.onEnd?.('completed', job, true))
    worker.on('failed', (job, cause) => {
      if (!job) return
      const final = job.finishedOn !== undefined
      options.onEnd?.('failed', job, final && !(cause instanceof Cancelled))
      const fields = { queue, jobId: job.id, attempt: job.attemptsMade, err: cause }
      if (cause instanceof Cancelled)
        log.info({ ...fields, err: undefined, reason: cause.message }, 'a job was cancelled')
      else if (final) log.error(fields, 'a job has failed for good')
      else log.warn(fields, 'an attempt at a job has failed; it will be tried again')
    })
    return { worker, redis }
  }

  function processJob(job: BullJob, token = ''): Promise<unknown> {
    taken += 1
    return options.process(job, token, running.begin(job.id as string))
  }

  async function look(): Promise<void> {
    running.loseExpired()
    const busy = running.count >= concurrency || taken !== takenAtLastLook
    takenAtLastLook = taken
    idleLooks = !busy && (await hasJobsToTake()) ? idleLooks + 1 : 0
    if (idleLooks < 2 || !current) return
    idleLooks = 0
    log.error({ queue }, 'the worker of this queue takes no jobs though some wait; it is replaced')
    const dead = current
    current = await open()
    retire(dead)
  }

  async function hasJobsToTake(): Promise<boolean> {
    const bull = queues.bull(queue)
    const waiting = await bull.getJobCountByTypes('waiting', 'prioritized')
    // A worker that lives takes a delayed job up within moments of its time.
    if (waiting === 0 && (await queues.overdueMs(queue)) < recovery.stalledCheckMs) return false
    const [paused, maxed, limitedMs] = await Promise.all([
      bull.isPaused(),
      bull.isMaxed(),
      bull.getRateLimitTtl(),
    ])
    return !paused && !maxed && limitedMs <= 0
  }

  /** Lets the worker finish what it may still be doing. */
  function retire({ worker, redis }: { worker: Worker; redis: Redis }): void {
    const closing = worker
      .close()
      .catch(() => {})
      .then(() => redis.disconnect())
    retired.add(closing)
    void closing.finally(() => retired.delete(closing))
  }

  function scheduleLook(): void {
    nextLook = setTimeout(() => {
      // What Redis can't be asked now is asked at the next look: an outage is no reason to replace anything.
      looking = look()
        .catch(() => {})
        .then(() => {
          if (!stopping) scheduleLook()
        })
    }, recovery.lockMs / 3)
  }

  return {
    async start() {
      stopping = false
      current = await open()
      await current.worker.waitUntilReady()
      scheduleLook()
    },

    cancel: running.cancel,

    async takeOver(dead) {
      if (current === null) return
      const { worker, redis } = current
      const jobs = await forsakeJobs(redis, (type) => worker.toKey(type), dead)
      if (jobs === 0) return
      log.warn({ queue, worker: dead, jobs }, 'a worker died at its jobs; they are done again')
      await worker.startStalledCheckTimer()
    },

    /**
     * Takes no more jobs, waits for those at work, and shortly before the deadline hands over the ones that are
     * not done. A Redis that does not answer is left at the deadline.
     */
    async stop(deadline: Deadline) {
      stopping = true
      clearTimeout(nextLook)
      await Promise.race([looking, afterMs(remaining(deadline) / 4)])
      if (current === null) return
      const { worker, redis } = current
      current = null
      const closed = Promise.all([worker.close().catch(() => {}), ...retired])
      const timers = [
        setTimeout(() => running.handOverAll(), handOverIn(remaining(deadline))),
        setTimeout(() => {
          redis.disconnect()
          void worker.disconnect().catch(() => {})
        }, remaining(deadline)),
      ]
      await Promise.race([closed, afterMs(remaining(deadline) + 50)])
      timers.forEach(clearTimeout)
      redis.disconnect()
    },
  }
}

/** BullMQ's worker is dead for good when its first connection fails, so it is made on one that works. */
async function connected(redis: Redis): Promise<Redis> {
  try {
    if (redis.status === 'wait') await redis.connect()
    return redis
  } catch (cause) {
    redis.disconnect()
    throw cause
  }
}

/** Milliseconds until jobs must be handed over, so that a handler's last moments and Redis' answer fit in. */
function handOverIn(leftMs: number): number {
  return Math.max(0, leftMs - Math.max(2 * settleMs, Math.min(2_000, leftMs / 4)))
}

function afterMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
