import type { Job } from './job.ts'
import type { EnqueueOptions, JobRequest, Queues } from './queues.ts'

/** Asking for jobs as applications do: the id is all that is answered. */
export interface EnqueueById {
  /** Resolves with the job's id once Redis has taken it: it will be done. */
  enqueue<Stored>(
    job: Job<Stored, never>,
    payload: NoInfer<Stored>,
    options?: EnqueueOptions,
  ): Promise<string>
  /** The same for many, in one round trip: all or none. */
  enqueueMany<Stored>(
    job: Job<Stored, never>,
    requests: readonly JobRequest<NoInfer<Stored>>[],
  ): Promise<string[]>
}

/** `use` gives the queues at each call; what it throws is what the call rejects with. */
export function enqueueById(use: () => Pick<Queues, 'enqueue' | 'enqueueMany'>): EnqueueById {
  return {
    enqueue: async (job, payload, about) => (await use().enqueue(job, payload, about)).id,
    enqueueMany: async (job, requests) => (await use().enqueueMany(job, requests)).map(({ id }) => id),
  }
}
