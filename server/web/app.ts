import type { KoaApp, AppMiddleware, RequestWork } from '../../shared/app/context.ts'
import type { RegisteredFeatures } from '../../shared/app/register-features.ts'
import type { Route } from '../../shared/app/route.ts'
import type { Config } from '../../shared/config/config.ts'
import type { RateLimiter } from '../../shared/limits/rate-limiter.ts'
import type { Sessions } from '../../shared/sessions/index.ts'
import type { Logger } from '../../shared/telemetry/log.ts'
import type { Tracing } from '../../shared/telemetry/tracing/tracing.ts'
import { inTurn } from '../http/compose.ts'
import { createKoa } from '../http/create-koa.ts'
import { answerProblems } from './pipeline/answer-problems.ts'
import { admit } from './pipeline/admit.ts'
import { authenticate } from './pipeline/authenticate.ts'
import { crossOrigin } from './pipeline/cross-origin.ts'
import { createSite } from './features/pages/site.ts'
import { explainAbsence } from './pipeline/explain-absence.ts'
import { gateAnswers } from './pipeline/gate-answers.ts'
import { identifyRequests } from './pipeline/identify-request.ts'
import { limitAbsent, limitRoutes } from './pipeline/limit-routes.ts'
import type { ProxyWatch } from './pipeline/notice-proxy.ts'
import { logRequests } from './pipeline/log-requests.ts'
import { refuseInMaintenance } from './pipeline/maintenance.ts'
import { readCredentials } from './pipeline/read-credential.ts'
import { refuseCrossSite } from './pipeline/refuse-cross-site.ts'
import { refuseMalformed } from './pipeline/refuse-malformed.ts'
import { runRoutes } from './pipeline/run-route.ts'
import { securityHeaders } from './pipeline/security-headers.ts'
import { createSessionDataMiddleware } from './pipeline/session-data.ts'
import { traceRequests } from './pipeline/trace-requests.ts'
import type { RequestMeter } from './request-meter.ts'
import { runMounts } from './routing/mounts.ts'
import { routeRequests } from './routing/routers.ts'

/** What the HTTP side of a worker is made of. */
export interface AppParts {
  readonly config: Pick<Config, 'appName' | 'http' | 'production'>
  /** Shown on answers when the configuration says so. */
  readonly workerId: string
  readonly features: RegisteredFeatures
  /** The routes among them that are the application's own. */
  readonly ownRoutes: readonly Route[]
  readonly sessions: Sessions
  readonly work: RequestWork
  readonly limiter: Pick<RateLimiter, 'take' | 'takeAll' | 'policies' | 'knownRefusal'>
  /** Whether only administrators are served. */
  readonly inMaintenance: () => boolean | Promise<boolean>
  readonly proxyWatch?: ProxyWatch
  readonly log: Logger
  readonly requestMeter?: RequestMeter
  /** Where requests are traced. */
  readonly tracing?: Pick<Tracing, 'request'>
}

/**
 * The Koa application. The order below is the order in which a request is looked at: each step may rely on those
 * before it, and nothing is done for a request that a cheaper step refuses.
 */
export function createApp(parts: AppParts): KoaApp {
  const { config, features, sessions, log } = parts
  const { trustProxy, exposeWorker, corsOrigins, publicUrl } = config.http
  const app = createKoa()
  const { routes, stylesheet } = features
  Object.assign(app.context, { site: createSite({ name: config.appName ?? 'Lockstep', stylesheet, routes }) })
  const use = (layer: AppMiddleware) => app.use(inTurn(layer))

  if (parts.tracing) use(traceRequests(parts.tracing))
  if (parts.proxyWatch && trustProxy === 0) use(parts.proxyWatch.middleware)
  use(identifyRequests({ trustProxy, worker: exposeWorker ? parts.workerId : null, work: parts.work }))
  use(securityHeaders())
  use(logRequests(log, parts.requestMeter))
  use(answerProblems(log))
  for (const middleware of features.outer) app.use(middleware as AppMiddleware)
  // Middleware of others sees answers, as it would around any Koa application; what it throws itself is answered too.
  if (features.outer.length > 0) use(answerProblems(log))
  use(refuseMalformed())
  use(crossOrigin(corsOrigins))
  const guards = [
    readCredentials(),
    refuseCrossSite({ trustProxy, publicOrigin: publicUrl === null ? null : new URL(publicUrl).origin }),
    authenticate(sessions, parts.limiter),
    limitRoutes(parts.limiter, features.routes),
    admit(),
    refuseInMaintenance(parts.inMaintenance),
    gateAnswers(sessions),
  ]
  const sessionData = createSessionDataMiddleware(app, sessions)
  const guarded = [...guards.map(inTurn), ...(features.identified as readonly AppMiddleware[])]
  use(
    routeRequests(
      [features.routes],
      [
        ...guarded,
        inTurn(runRoutes({ partsOf: features.partsOf, sessionData, checkReplies: !config.production })),
      ],
      parts.ownRoutes,
    ),
  )
  if (features.mounts.length > 0) use(runMounts(app, features.mounts, { guards: guarded, sessionData }))
  use(limitAbsent(parts.limiter))
  use(explainAbsence())

  // What breaks once the answer is Koa's to send. Mostly the client went away; otherwise the body of a route was
  // nothing that can be sent, and Koa answers a bare 500.
  app.on('error', (err: { headerSent?: boolean }) => {
    log[err.headerSent ? 'debug' : 'error']({ err }, 'an answer was not delivered')
  })
  return app
}
