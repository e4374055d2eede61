/** What built-in features are made of. An application's routes get the same argument, with services of its own. */
import type { z } from 'zod'
import type { AccountStore, Passwords } from '../../../shared/accounts/accounts.ts'
import type { CheckedIdentity } from '../../../shared/accounts/checked-identity.ts'
import type { EffectiveAccounts } from '../../../shared/accounts/effective-account.ts'
import type { Role } from '../../../shared/accounts/roles.ts'
import type { Feature } from '../../../shared/app/feature.ts'
import type { AppContext } from '../../../shared/app/context.ts'
import type { Access, Route } from '../../../shared/app/route.ts'
import type { Stream } from '../../../shared/app/stream.ts'
import type { Parts } from '../../../shared/app/parts.ts'
import type { Config } from '../../../shared/config/config.ts'
import type { LoginGuard } from '../../../shared/limits/login-guard.ts'
import type { AskPrimary } from '../../../shared/process/primary-handle.ts'
import type { Queues } from '../../../shared/queues/queues.ts'
import type { ScheduleControl } from '../../../shared/queues/schedule-control.ts'
import type { ScheduleViews } from '../../../shared/queues/schedule-views.ts'
import type { Settings } from '../../../shared/settings/settings.ts'
import type { Limits } from '../../../shared/limits/open-limits.ts'
import type { AccountMails } from './auth/account-mails.ts'
import type { RecordAuthEvent } from './auth/auth-events.ts'
import type { RequestPasswordReset } from './auth/password-reset.ts'
import type { PasswordProblem } from './auth/password.ts'
import type { NoticeSignIn } from './auth/sign-in-notices.ts'
import type { Readiness } from './health/readiness.ts'
import type { RuntimeSettings } from '../../../shared/settings/runtime-settings.ts'

/** The services of the server itself, as `services` of an application are its own. */
export interface ServerServices {
  readonly config: Pick<Config, 'http' | 'sessions' | 'workers' | 'limits' | 'registration'>
  readonly accounts: AccountStore
  /** Makes changes of accounts true for the sessions that there are. */
  readonly effective: EffectiveAccounts
  readonly passwords: Passwords
  /** Who may sign in; null: the application signs people in by itself. */
  readonly identity: CheckedIdentity | null
  /** Whether those who sign in are in our own accounts, with passwords to change. */
  readonly ownAccounts: boolean
  /** How users look from outside. */
  readonly userSchema: z.ZodObject
  /** Every role that there is. */
  readonly roles: readonly Role[]
  readonly passwordProblem: PasswordProblem
  readonly requestPasswordReset: RequestPasswordReset
  readonly accountMails: AccountMails
  readonly noticeSignIn: NoticeSignIn
  readonly recordAuthEvent: RecordAuthEvent
  /** Against guessing, under the rules of the moment. */
  readonly guard: LoginGuard
  /** Every job, and the queues themselves. */
  readonly queues: Pick<Queues, 'jobs' | 'bull' | 'enqueue' | 'find' | 'failed' | 'retryFailed' | 'cancel'>
  readonly schedules: ScheduleViews & ScheduleControl
  readonly readiness: Readiness
  /** A stream as a route; `accessOf`: what an opening depends on, where that is more than the stream asks for. */
  readonly liveRoute: (stream: Stream, accessOf?: (ctx: AppContext) => Access) => Route
  /** What administrators change while the server runs. */
  readonly settings: Settings<RuntimeSettings>
  /** The application's own among them. */
  readonly settingsSchema?: z.ZodObject
  readonly limits: Pick<Limits, 'limiter' | 'guard'>
  /** How many web workers there are, on all hosts. */
  readonly webWorkers: () => Promise<number>
  /** Asks the primary, where one runs this worker. */
  readonly primary?: AskPrimary
}

export type ServerParts = Parts<ServerServices>

/** A folder of features/, as it is registered. */
export type ServerFeature = (parts: ServerParts) => Feature
