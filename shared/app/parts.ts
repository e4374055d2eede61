/** What handlers of routes and jobs, pages and hooks work with. Given to each as an argument, never imported. */
import type { VerifiedUser } from '../accounts/identity-provider.ts'
import type { Broadcast } from '../live/broadcast.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import type { Mailer } from '../mail/mailer.ts'
import type { Cancellation } from '../queues/cancellation.ts'
import type { EnqueueById } from '../queues/enqueue-by-id.ts'
import type { EnqueuedFlow, Flow } from '../queues/flow.ts'
import type { Job } from '../queues/job.ts'
import type { JobView } from '../queues/queues.ts'
import type { Sessions } from '../sessions/index.ts'
import type { Logger } from '../telemetry/log.ts'
import type { AppContext, AppIdentity } from './context.ts'
import type { RegisteredServices } from './register.ts'

export interface Parts<Services = RegisteredServices> {
  /** What `services` of the application made for this process. */
  readonly services: Services
  readonly queues: AppQueues
  readonly sessions: AppSessions
  readonly limiter: Pick<RateLimiter, 'take' | 'takeAll' | 'policies' | 'inspect' | 'reset' | 'changed'>
  /** The application's own settings. */
  readonly settings: AppSettings
  /** Sends mail as a job: a mail server that is away loses none. */
  readonly mailer: Pick<Mailer, 'send'>
  /** Tells the streams and sockets of all workers: those that joined a channel, or those of a user or a session. */
  readonly broadcast: Broadcast
  readonly log: Logger
}

/** The sessions of the cluster, and a way into them for handlers of the application. */
export interface AppSessions extends Sessions {
  readonly signIn: AppSignIn
}

/**
 * Signs a user in, by the rules of the built-in login: takes the ticket before `verify`, so that nothing is created when
 * the user's sessions are ended meanwhile; ends the session that the request came with; sets the session cookie; notes it
 * in the audit trail; calls the hook `signedIn`. From then on `ctx.state.identity` is the user.
 *
 * `verify` proves now that it is this user and gives the record that sessions keep of them, or null. Null is the answer
 * then, and for a disabled user. A `Problem` that it throws is answered as it is; anything else is an outage, 503.
 */
export type AppSignIn = (
  ctx: AppContext,
  userId: string,
  verify: () => Promise<VerifiedUser | null> | VerifiedUser | null,
  options?: SignInOptions,
) => Promise<SignedIn | null>

export interface SignInOptions {
  /** Keep the user signed in when the browser is closed. */
  readonly remember?: boolean
  /** A name for the session, such as "work laptop". */
  readonly label?: string | null
  /** `token`: no cookie is set; give the token to the client, for `Authorization: Bearer`. */
  readonly transport?: 'cookie' | 'token'
}

export interface SignedIn {
  readonly identity: AppIdentity
  /** The session's secret: anyone who has it is the user. */
  readonly token: string
}

/** Asking for jobs, and asking after them. */
export interface AppQueues extends EnqueueById {
  /** Takes jobs that are done one before the other: all of them, or none. */
  enqueueFlow(asked: Flow): Promise<EnqueuedFlow>
  /** Has a job not done, or the signal of one that runs aborted; it is not tried again. */
  cancel(job: Pick<Job, 'name'>, id: string, reason?: string): Promise<Cancellation>
  /** Null when there is no such job, or not any more. */
  find(name: string, id: string): Promise<JobView | null>
}

/** Values that all workers share and that change while the server runs. */
export interface AppSettings {
  current(): Readonly<Record<string, unknown>>
  /** Resolves when every worker follows; `null` goes back to the default. Throws `Unavailable`: asking again is safe. */
  change(changes: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>
}
