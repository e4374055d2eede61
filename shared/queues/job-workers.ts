/** Does the jobs: a consumer for each, all in this process. */
import type { Job as BullJob, Telemetry } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Deadline, Service } from '../kernel/lifecycle.ts'
import { runAttempt } from './attempt.ts'
import type { BehalfWatch } from './behalf.ts'
import { cancellationChannel, parseCancelledJob } from './cancellation.ts'
import { createConsumer, defaultRecovery, type RecoveryLimits } from './consumer.ts'
import { createDurations, type Durations } from './durations.ts'
import type { AnyJob, Log, Retention } from './job.ts'
import { jobsByName } from './job.ts'
import { defaultPrefix } from './keys.ts'
import { loadWork, type LoadedWork } from './load-work.ts'
import type { Queues } from './queues.ts'
import type { ThreadOptions } from './sandbox.ts'

/** A job that has failed and will not be tried again. */
export interface JobFailure {
  readonly job: string
  readonly id: string
  readonly reason: string
  readonly attempts: number
}

export interface JobWorkersOptions<Services> {
  /**
   * Called for each job that has failed for good, in the process that was at it last. A job whose workers died too
   * often fails without it, and one that was cancelled.
   */
  readonly onFailed?: (failure: JobFailure) => unknown
  /** Opens a connection for blocking commands, one for each queue. */
  readonly connect: () => Redis
  readonly queues: Queues
  readonly jobs: readonly AnyJob<Services>[]
  /** What the handlers work with. */
  readonly services: Services
  readonly log: Log
  /** What this process is called; no two alike, also not one after the other. For `takeOver`. */
  readonly worker?: string | undefined
  readonly prefix?: string
  readonly recovery?: Partial<RecoveryLimits>
  /** For the jobs with a sandbox. */
  readonly threads?: ThreadOptions
  readonly telemetry?: Telemetry
  /** For the jobs on behalf of a session or a user. */
  readonly behalves?: BehalfWatch
}

export interface JobWorkers extends Service {
  /** How long attempts took in this process, by job. */
  durations(): Record<string, Durations>
  /** Has the jobs of a worker that has certainly died done again at once, instead of when its locks run out. */
  takeOver(worker: string): Promise<void>
}

/** A Redis that has lost its data has lost the limits of its queues, too. */
const limitsEveryMs = 30_000

export function createJobWorkers<Services>(options: JobWorkersOptions<Services>): JobWorkers {
  const { connect, queues, services, log, prefix = defaultPrefix, threads = {}, telemetry } = options
  const { behalves } = options
  const recovery = { ...defaultRecovery, ...options.recovery }
  const durations = createDurations()
  const jobs = [...jobsByName(options.jobs).values()]
  const loaded = new Map<AnyJob<Services>, LoadedWork<Services>>()
  const consumers = jobs.map((job) =>
    createConsumer({
      queue: job.name,
      queues,
      worker: options.worker,
      prefix,
      connect,
      concurrency: job.concurrency,
      keepCompleted: bullRetention(job.keepCompleted),
      keepFailed: bullRetention(job.keepFailed),
      recovery,
      log,
      ...(telemetry ? { telemetry } : {}),
      process(bull, token, running) {
        const work = loaded.get(job) as LoadedWork<Services>
        return runAttempt(job, bull, token, running, { work, services, log, threads, behalves })
      },
      onEnd(outcome, bull, forGood) {
        const { processedOn = Date.now(), finishedOn = Date.now() } = bull
        const failed = outcome === 'failed' && forGood
        durations.add(job.name, outcome, finishedOn - processedOn, failed)
        if (failed) tellFailure(job, bull)
      },
    }),
  )
  function tellFailure({ name }: AnyJob<Services>, { id, attemptsMade, failedReason }: BullJob): void {
    const failure = { job: name, id: id as string, reason: failedReason ?? '', attempts: attemptsMade }
    Promise.resolve(failure)
      .then(options.onFailed)
      .catch((err: unknown) =>
        log.error({ err, ...failure }, 'what follows the failure of a job failed itself'),
      )
  }

  const all = together(consumers)
  const byQueue = new Map(jobs.map((job, index) => [job.name, consumers[index]]))
  let subscriber: Redis | null = null
  let limits: NodeJS.Timeout | undefined

  /** Not awaited: while no one listens, a cancelled job only finishes its attempt. */
  function hearOfCancellations(): void {
    subscriber = connect()
    subscriber.on('error', () => {})
    subscriber.on('message', (_channel, text) => {
      const cancelled = parseCancelledJob(text)
      if (cancelled) byQueue.get(cancelled.queue)?.cancel(cancelled.id)
    })
    subscriber.subscribe(cancellationChannel(prefix)).catch(() => {})
  }

  return {
    async start() {
      await Promise.all(jobs.map(async (job) => loaded.set(job, await loadWork(job))))
      await queues.applyDeclaredLimits()
      await all.start()
      limits = setInterval(() => void queues.applyDeclaredLimits().catch(() => {}), limitsEveryMs)
      hearOfCancellations()
    },
    async stop(deadline) {
      clearInterval(limits)
      await all.stop(deadline)
      subscriber?.disconnect()
    },
    durations: durations.read,
    async takeOver(worker) {
      await Promise.all(consumers.map((consumer) => consumer.takeOver(worker)))
    },
  }
}

/** Unlike a group, they start and stop at the same time: a drain must not wait for one queue after the other. */
function together(consumers: readonly Service[]): Service {
  async function stop(deadline: Deadline): Promise<void> {
    await Promise.all(consumers.map((consumer) => consumer.stop(deadline)))
  }
  return {
    async start() {
      const started = await Promise.allSettled(consumers.map((consumer) => consumer.start()))
      const failed = started.find((outcome) => outcome.status === 'rejected')
      if (!failed) return
      await stop(performance.now() + 1_000)
      throw failed.reason
    },
    stop,
  }
}

function bullRetention({ count, seconds }: Retention) {
  return { count, age: seconds }
}
