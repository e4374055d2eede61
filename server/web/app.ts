import { createAccountIdentity } from '../../shared/accounts/account-identity.ts'
import type { AccountStore, Passwords } from '../../shared/accounts/accounts.ts'
import { checkIdentity } from '../../shared/accounts/checked-identity.ts'
import type { IdentityProvider } from '../../shared/accounts/identity-provider.ts'
import type { Config } from '../../shared/config/config.ts'
import type { Logger } from '../../shared/telemetry/log.ts'
import type { Queues } from '../../shared/queues/queues.ts'
import type { ScheduleViews } from '../../shared/queues/schedule-views.ts'
import type { Settings } from '../../shared/settings/settings.ts'
import type { Sessions } from '../../shared/sessions/sessions.ts'
import type { Tracing } from '../../shared/telemetry/tracing/tracing.ts'
import type { AskPrimary } from '../../shared/process/primary-handle.ts'
import type { AuditWriter } from './features/audit/audit-writer.ts'
import { createAuthEvents } from './features/auth/auth-events.ts'
import type { App, AppMiddleware } from '../../shared/app/context.ts'
import { inTurn } from '../http/compose.ts'
import { createKoa } from '../http/create-koa.ts'
import { answerProblems } from './pipeline/answer-problems.ts'
import { admit } from './pipeline/admit.ts'
import { authenticate } from './pipeline/authenticate.ts'
import { crossOrigin } from './pipeline/cross-origin.ts'
import { explainAbsence } from './pipeline/explain-absence.ts'
import { gateAnswers } from './pipeline/gate-answers.ts'
import { identifyRequests } from './pipeline/identify-request.ts'
import { limitRoutes } from './pipeline/limit-routes.ts'
import { logRequests } from './pipeline/log-requests.ts'
import { refuseInMaintenance } from './pipeline/maintenance.ts'
import { readCredentials } from './pipeline/read-credential.ts'
import { refuseCrossSite } from './pipeline/refuse-cross-site.ts'
import { refuseMalformed } from './pipeline/refuse-malformed.ts'
import { runRoutes } from './pipeline/run-route.ts'
import { securityHeaders } from './pipeline/security-headers.ts'
import { createSessionDataMiddleware } from './pipeline/session-data.ts'
import { traceRequests } from './pipeline/trace-requests.ts'
import type { Limits } from './limits.ts'
import type { Readiness } from './features/health/readiness.ts'
import type { RequestMeter } from './request-meter.ts'
import { routeRequests, type RouteGroup } from './routing/routers.ts'
import type { Route } from '../../shared/app/route.ts'
import { auditRoutes } from './features/audit/audit.ts'
import { dashboardRoutes } from './features/dashboard/dashboard.ts'
import { documentationRoutes } from './features/docs/documentation.ts'
import { healthRoutes } from './features/health/health.ts'
import { jobRoutes } from './features/jobs/jobs.ts'
import { limitRoutesForAdmins } from './features/limits/limits.ts'
import { loginRoute } from './features/auth/login.ts'
import { meRoutes } from './features/auth/me.ts'
import { pageRoutes } from './features/pages/pages.ts'
import { passwordResetRoutes, type RequestPasswordReset } from './features/auth/password-reset.ts'
import { passwordRoute, type PasswordProblem } from './features/auth/password.ts'
import { scheduleRoutes } from './features/jobs/schedules.ts'
import { sessionDataRoutes } from './features/auth/session-data.ts'
import { sessionRoutes } from './features/auth/sessions.ts'
import { settingsRoutes } from './features/settings/settings.ts'
import { signInRoutes } from './features/auth/sign-in.ts'
import { userRoutes } from './features/users/users.ts'
import { countWebWorkers, workerRoutes } from './features/workers/workers.ts'
import type { RuntimeSettings } from './features/settings/runtime-settings.ts'
import type { NoticeSignIn } from './features/auth/sign-in-notices.ts'

/** What the HTTP side of a worker is made of. */
export interface AppParts {
  readonly config: Pick<Config, 'http' | 'sessions' | 'workers'>
  /** Shown on answers when the configuration says so. */
  readonly workerId: string
  readonly sessions: Sessions
  readonly accounts: AccountStore
  readonly passwords: Passwords
  /** Who may sign in, when not our own accounts. */
  readonly identity?: IdentityProvider
  readonly passwordProblem: PasswordProblem
  readonly requestPasswordReset: RequestPasswordReset
  readonly noticeSignIn: NoticeSignIn
  readonly queues: Pick<Queues, 'jobs' | 'bull' | 'enqueue' | 'find'>
  readonly schedules: ScheduleViews
  readonly audit: Pick<AuditWriter, 'record'>
  readonly readiness: Readiness
  readonly settings: Settings<RuntimeSettings>
  readonly limits: Pick<Limits, 'limiter' | 'guard'>
  /** Asks the primary, where one runs this worker. */
  readonly primary?: AskPrimary
  readonly log: Logger
  readonly requestMeter?: RequestMeter
  /** Where requests are traced. */
  readonly tracing?: Pick<Tracing, 'request'>
  /** The application's own. */
  readonly routes?: readonly Route[]
}

/**
 * The Koa application. The order below is the order in which a request is looked at: each step may rely on those
 * before it, and nothing is done for a request that a cheaper step refuses.
 */
export function createApp(parts: AppParts): App {
  const { config, sessions, log } = parts
  const { trustProxy, exposeWorker, corsOrigins, publicUrl } = config.http
  const app = createKoa()
  const groups = routeGroups(app, parts)
  const use = (layer: AppMiddleware) => app.use(inTurn(layer))

  if (parts.tracing) use(traceRequests(parts.tracing))
  use(identifyRequests({ trustProxy, worker: exposeWorker ? parts.workerId : null }))
  use(securityHeaders())
  use(logRequests(log, parts.requestMeter))
  use(answerProblems(log))
  use(refuseMalformed())
  use(crossOrigin(corsOrigins))
  use(
    routeRequests(
      groups,
      [
        readCredentials(),
        refuseCrossSite({ trustProxy, publicOrigin: publicUrl === null ? null : new URL(publicUrl).origin }),
        authenticate(sessions),
        limitRoutes(parts.limits.limiter, groups.flat()),
        admit(),
        refuseInMaintenance(() => parts.settings.current().values.maintenance),
        gateAnswers(sessions),
        runRoutes(),
      ],
      parts.routes,
    ),
  )
  use(explainAbsence())

  // What breaks once the answer is Koa's to send. Mostly the client went away; otherwise the body of a route was
  // nothing that can be sent, and Koa answers a bare 500.
  app.on('error', (err: { headerSent?: boolean }) => {
    log[err.headerSent ? 'debug' : 'error']({ err }, 'an answer was not delivered')
  })
  return app
}

function routeGroups(app: App, parts: AppParts): RouteGroup[] {
  const { config, sessions, readiness, primary } = parts
  const withEvents = {
    ...parts,
    recordAuthEvent: createAuthEvents(parts),
    guard: parts.limits.guard,
  }
  const login = loginRoute({
    ...withEvents,
    identity: checkIdentity(parts.identity ?? createAccountIdentity(parts)),
    endOthers: config.sessions.loginRevokes === 'others',
    rememberAbsoluteMs: config.sessions.rememberAbsoluteMs,
  })
  const groups = [
    meRoutes(),
    parts.routes ?? [],
    [login, ...sessionRoutes(withEvents), ...sessionDataRoutes(createSessionDataMiddleware(app, sessions))],
    [passwordRoute(withEvents), ...passwordResetRoutes(withEvents)],
    [
      ...userRoutes(withEvents),
      ...settingsRoutes({
        ...withEvents,
        webWorkers: async () => (primary ? countWebWorkers(primary) : config.workers.web),
      }),
      ...(primary ? workerRoutes({ ...withEvents, primary }) : []),
      ...limitRoutesForAdmins(withEvents),
      ...auditRoutes(parts),
    ],
    [...jobRoutes(parts), ...scheduleRoutes(parts)],
    healthRoutes(readiness),
  ]
  const pages = [...signInRoutes({ ...withEvents, login }), ...pageRoutes(), ...dashboardRoutes(withEvents)]
  return [...groups, documentationRoutes(groups.flat()), pages]
}
