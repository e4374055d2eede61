import { isDeepStrictEqual } from 'node:util'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import type { JobStatus, QueueJobOptions } from '@bull-board/api/typings/app'
import type { Job, Queue } from 'bullmq'
import type { AnyJob } from '../../job.ts'
import { checkPayload, InvalidPayload } from '../../payload.ts'
import type { EnqueueOptions, Queues } from '../../queues.ts'
import { parseStoredJob } from '../../stored-job.ts'
import { invalidFields, problem } from '../../../app/problem.ts'
import { createRedactor, isRedacted, redactJob } from './redact-job.ts'

/** As many as a page shows at most; a request for more gets these. */
const mostJobs = 100

/** Ids of ours, of schedules' runs, and of the ticks that BullMQ makes: nothing that could be part of another key. */
const jobId = /^(?:[\w@.-]{1,200}|repeat:[a-z0-9-]{1,64}:\d{1,16})$/

export interface BoardQueueOptions {
  readonly queue: Queue
  /** Whose queue it is; null for the clock's, which holds ticks for all schedules and is not to be changed by hand. */
  readonly job: AnyJob | null
  /** Hidden beside what its name gives away. */
  readonly secretFields: readonly string[]
  readonly enqueue: Queues['enqueue']
}

/** A queue as bull-board sees it: without secrets, and by the rules under which jobs are asked for elsewhere. */
export class BoardQueue extends BullMQAdapter {
  readonly #options: BoardQueueOptions

  constructor(options: BoardQueueOptions) {
    super(options.queue, { readOnlyMode: options.job === null })
    this.#options = options
  }

  override async getJob(id: string): Promise<Job | undefined> {
    const job = jobId.test(id) ? await super.getJob(id) : undefined
    return job && this.#shown(job)
  }

  override async getJobs(statuses: JobStatus[], start = 0, end = -1): Promise<Job[]> {
    const last = start + mostJobs - 1
    const jobs = await super.getJobs(statuses, start, end < 0 ? last : Math.min(end, last))
    return jobs.map((job) => this.#shown(job))
  }

  override async getJobLogs(id: string): Promise<string[]> {
    const job = await this.getJob(id)
    if (!job) throw problem('not-found', 'there is no such job (any more)')
    const { text } = createRedactor(this.#options.secretFields, job.data)
    return (await super.getJobLogs(id)).map(text)
  }

  override async getJobSchedulers(): ReturnType<BullMQAdapter['getJobSchedulers']> {
    const { secretFields } = this.#options
    return (await super.getJobSchedulers()).map(({ template, ...scheduler }) => {
      if (!template) return scheduler
      const { value } = createRedactor(secretFields, template.data)
      return { ...scheduler, template: value(template) as typeof template }
    })
  }

  /** Through the same check as everywhere: BullMQ itself would take any payload, and options that never work. */
  override async addJob(_name: string, data: unknown, options: QueueJobOptions): Promise<Job> {
    const { job, enqueue } = this.#options
    if (!job) throw problem('forbidden', 'ticks are made by the clock')
    if (isRedacted(data)) {
      throw invalidFields([{ field: 'data', message: 'has fields that were hidden: fill them in' }])
    }
    const { id } = await enqueue(job, payloadOf(data), enqueueOptions(job, options)).catch(
      (failure: unknown) => {
        if (failure instanceof TypeError) {
          throw invalidFields([{ field: 'options', message: `not accepted: ${failure.message}` }])
        }
        if (!(failure instanceof InvalidPayload)) throw failure
        throw invalidFields(
          failure.problems.map(({ field, message }) => ({
            field: field === '' ? 'data' : `data.${field}`,
            message,
          })),
        )
      },
    )
    const added = await this.getJob(id)
    if (!added) throw problem('not-found', 'the job was added, and is done and removed already')
    return added
  }

  /** Trees of flows are not drawn: bull-board would read them past what hides secrets here. */
  override async getFlowProducer(): Promise<null> {
    return null
  }

  #shown(job: Job): Job {
    const { secretFields, job: declared } = this.#options
    const toJSON = job.toJSON.bind(job)
    const retry: Job['retry'] = job.retry.bind(job)
    return Object.assign(job, {
      toJSON: () => redactJob(toJSON(), secretFields),
      updateData: refuseUpdate,
      async retry(...how: Parameters<Job['retry']>): Promise<void> {
        if (declared) refuseUnfitPayload(declared, job.data)
        await retry(...how)
      },
    })
  }
}

/** What is retried is checked like what is asked for: it may have been written by another version, or another hand. */
function refuseUnfitPayload(job: AnyJob, data: unknown): void {
  try {
    const { payload, cancelled } = parseStoredJob(data)
    if (cancelled !== undefined) throw new Error(`it was cancelled: ${cancelled}`)
    checkPayload(job, payload)
  } catch (failure) {
    throw problem('conflict', `it can't be done again: ${(failure as Error).message}`, { cause: failure })
  }
}

async function refuseUpdate(): Promise<never> {
  throw problem('forbidden', 'what a job works on stays as it was asked for: add another job instead')
}

/** What is shown of a job, and so what a copy of it begins with, is the payload and where it came from. */
function payloadOf(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || !('payload' in data)) return data
  const { payload, ...origin } = data
  const ours = Object.keys(origin).every((field) =>
    ['by', 'behalf', 'schedule', 'tick', 'cancelled'].includes(field),
  )
  return ours ? payload : data
}

/** What is known of a copy's origin and means nothing for the copy, which is a job of its own. */
const ofTheOriginal = ['jobId', 'deduplication']

/** When and how urgently may be chosen; how often it is tried is the job's to say, and may only be repeated. */
function enqueueOptions(job: AnyJob, options: QueueJobOptions & { priority?: number }): EnqueueOptions {
  const { delay, priority, ...others } = options
  const decided: Record<string, unknown> = {
    attempts: job.attempts,
    backoff: { type: job.backoff.type, delay: job.backoff.delayMs },
  }
  for (const [name, value] of Object.entries(others)) {
    if (ofTheOriginal.includes(name) || isDeepStrictEqual(value, decided[name])) continue
    throw invalidFields([{ field: `options.${name}`, message: 'is decided by the job: leave it out' }])
  }
  return {
    ...(delay === undefined ? {} : { delayMs: delay }),
    ...(priority === undefined ? {} : { priority }),
  }
}
