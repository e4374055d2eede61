/**
 * BullMQ's queue and worker, made to bear damaged jobs. One job in Redis that cannot be read must not hide the others
 * of a listing, and a worker that takes it up must fail it instead of meeting it again and again.
 */
import { Job, Queue, Worker, type JobProgress } from 'bullmq'

type Source = Parameters<typeof Job.fromJSON>[0]
type Stored = Parameters<typeof Job.fromJSON>[1]

/** A job whose data is null when what is stored cannot be read: no job of ours, so it fails when it is run. */
class ReadableJob<D, R, N extends string, P extends JobProgress> extends Job<D, R, N, P> {
  static override fromJSON<T, R, N extends string>(queue: Source, json: Stored, id?: string): Job<T, R, N> {
    try {
      return Job.fromJSON(queue, json, id)
    } catch {
      return Job.fromJSON(queue, { ...json, data: 'null', returnvalue: '', stacktrace: '' }, id)
    }
  }

  /** Undefined also for what is a key of BullMQ's own, such as `events` or `meta`, and no job. */
  static override async fromId<T, R, N extends string>(
    queue: Source,
    id: string,
  ): Promise<Job<T, R, N> | undefined> {
    try {
      const job = await Job.fromId.call(this, queue, id)
      return job?.name === undefined ? undefined : (job as Job<T, R, N>)
    } catch (cause) {
      if (cause instanceof SyntaxError) return new Job<T, R, N>(queue, 'damaged' as N, null as T, {}, id)
      if (cause instanceof Error && cause.message.startsWith('WRONGTYPE')) return undefined
      throw cause
    }
  }
}

export class JobQueue extends Queue {
  protected override get Job(): typeof Job {
    return ReadableJob
  }
}

export class JobWorker extends Worker {
  protected override get Job(): typeof Job {
    return ReadableJob
  }
}
