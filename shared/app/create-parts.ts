import type { Queues } from '../queues/queues.ts'
import type { Job } from '../queues/job.ts'
import { createQueuedMailer } from '../mail/queued-mailer.ts'
import type { Mail } from '../mail/mailer.ts'
import type { Parts } from './parts.ts'

export interface PartsOptions extends Pick<Parts, 'sessions' | 'limiter' | 'settings' | 'broadcast' | 'log'> {
  readonly queues: Pick<Queues, 'enqueue' | 'enqueueMany' | 'enqueueFlow' | 'cancel' | 'find'>
  /** The job that sends a mail. */
  readonly mailJob: Job<Mail, never>
}

/** What every handler of this process gets beside its services. */
export function createParts({ queues, mailJob, ...options }: PartsOptions): Omit<Parts, 'services'> {
  return {
    ...options,
    queues: {
      enqueue: async (job, payload, about) => (await queues.enqueue(job, payload, about)).id,
      enqueueMany: async (job, requests) => (await queues.enqueueMany(job, requests)).map(({ id }) => id),
      enqueueFlow: queues.enqueueFlow,
      cancel: queues.cancel,
      find: queues.find,
    },
    mailer: createQueuedMailer((mail) => queues.enqueue(mailJob, mail)),
  }
}
