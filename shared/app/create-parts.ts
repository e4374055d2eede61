import { enqueueById } from '../queues/enqueue-by-id.ts'
import type { Queues } from '../queues/queues.ts'
import type { Job } from '../queues/job.ts'
import { createQueuedMailer } from '../mail/queued-mailer.ts'
import type { Mail } from '../mail/mailer.ts'
import type { Sessions } from '../sessions/index.ts'
import type { AppSessions, AppSignIn, Parts } from './parts.ts'

export interface PartsOptions extends Pick<Parts, 'limiter' | 'settings' | 'broadcast' | 'log'> {
  readonly sessions: Sessions
  /** Left out where no request is answered. */
  readonly signIn?: AppSignIn
  readonly queues: Pick<Queues, 'enqueue' | 'enqueueMany' | 'enqueueFlow' | 'cancel' | 'find'>
  /** The job that sends a mail. */
  readonly mailJob: Job<Mail, never>
}

/** What every handler of this process gets beside its services. */
export function createParts(options: PartsOptions): Omit<Parts, 'services'> {
  const { queues, mailJob, sessions, signIn = withoutRequest, ...rest } = options
  return {
    ...rest,
    sessions: withSignIn(sessions, signIn),
    queues: {
      ...enqueueById(() => queues),
      enqueueFlow: queues.enqueueFlow,
      cancel: queues.cancel,
      find: queues.find,
    },
    mailer: createQueuedMailer((mail) => queues.enqueue(mailJob, mail)),
  }
}

/** The same sessions with one method more; not a copy, which would freeze what they answer by a getter. */
function withSignIn(sessions: Sessions, signIn: AppSignIn): AppSessions {
  return Object.create(sessions, { signIn: { value: signIn, enumerable: true } }) as AppSessions
}

async function withoutRequest(): Promise<never> {
  throw new TypeError(
    'sessions.signIn answers a request, and there is none here: call it in the handler of a route',
  )
}
