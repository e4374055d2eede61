/**
 * Flows: jobs that are done before another one, which is done when all of them are, with their results at hand. All
 * jobs of a flow are taken together, or none.
 */
import type { FlowJob, JobNode } from 'bullmq'
import type { AnyJob, Job } from './job.ts'
import { bullRequest, type EnqueueOptions } from './request.ts'

/** A job of a flow, with those that are done before it. Made by `flow`. */
export interface Flow {
  readonly job: AnyJob
  readonly payload: unknown
  readonly options: FlowOptions
}

export interface FlowOptions {
  /** Done before it, in any order, and flows themselves. */
  readonly children?: readonly Flow[]
  /**
   * What it means for the job that waits for this one when this one fails for good: it fails too, or it goes on
   * without it. Default `fail`.
   */
  readonly ifItFails?: 'fail' | 'ignore'
  /** A `dedupeKey` is refused: a flow is new each time. */
  readonly options?: Omit<EnqueueOptions, 'dedupeKey'>
}

export interface EnqueuedFlow {
  readonly id: string
  readonly job: string
  readonly children: readonly EnqueuedFlow[]
}

/** Puts a job in a flow, with a payload that it takes. */
export function flow<Stored>(
  job: Job<Stored, never>,
  payload: NoInfer<Stored>,
  options: FlowOptions = {},
): Flow {
  return { job, payload, options }
}

/** As BullMQ takes it. Throws `InvalidPayload` or `TypeError` for what one of the jobs does not take. */
export function bullFlow(
  { job, payload, options }: Flow,
  prefix: string,
  known: (job: AnyJob) => void,
): FlowJob {
  known(job)
  const { children = [], ifItFails = 'fail', options: about = {} } = options
  if ('dedupeKey' in about) throw new TypeError('a job of a flow takes no dedupeKey')
  if (ifItFails !== 'fail' && ifItFails !== 'ignore') throw new TypeError("ifItFails is 'fail' or 'ignore'")
  const { name, data, opts } = bullRequest(job, payload, about)
  const { deduplication: _none, ...plain } = opts
  return {
    name,
    queueName: name,
    data,
    prefix,
    opts: {
      ...plain,
      ...(ifItFails === 'fail' ? { failParentOnFailure: true } : { ignoreDependencyOnFailure: true }),
    },
    ...(children.length === 0 ? {} : { children: children.map((child) => bullFlow(child, prefix, known)) }),
  } as FlowJob
}

export function enqueuedFlow({ job, children = [] }: JobNode): EnqueuedFlow {
  return { id: job.id as string, job: job.name, children: children.map(enqueuedFlow) }
}

/** What a job of the same flow, done before this one, resolved to. */
export interface ChildResult {
  readonly job: string
  readonly id: string
  readonly result: unknown
}

/** From BullMQ's, by key: `{lockstep}:invoice:7`. */
export function childResults(values: Readonly<Record<string, unknown>>, prefix: string): ChildResult[] {
  return Object.entries(values).map(([key, result]) => {
    const [job = '', ...id] = key.slice(prefix.length + 1).split(':')
    return { job, id: id.join(':'), result }
  })
}
