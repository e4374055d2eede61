import { createAccountIdentity } from '../../shared/accounts/account-identity.ts'
import { checkIdentity } from '../../shared/accounts/checked-identity.ts'
import { rolesWith } from '../../shared/accounts/roles.ts'
import type { Account, AccountStore, Passwords } from '../../shared/accounts/accounts.ts'
import { createEffectiveAccounts } from '../../shared/accounts/effective-account.ts'
import { createPasswords } from '../../shared/accounts/passwords.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { passwordProblem } from '../../shared/accounts/password-rules.ts'
import type { Config } from '../../shared/config/config.ts'
import type { DeploymentKeys } from '../../shared/deployment/deployment-keys.ts'
import { group, type Service } from '../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../shared/telemetry/log.ts'
import { createQueues } from '../../shared/queues/queues.ts'
import { createScheduleControl } from '../../shared/queues/schedule-control.ts'
import { createScheduleViews } from '../../shared/queues/schedule-views.ts'
import { answerPrimary, type MetricsChannel } from '../../shared/telemetry/metrics/answer-primary.ts'
import { limitReadings, signInReadings } from '../../shared/telemetry/metrics/limit-readings.ts'
import { createProcessMeter } from '../../shared/telemetry/metrics/process-meter.ts'
import { createSessionMeter } from '../../shared/telemetry/metrics/session-meter.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { openFailover } from '../../shared/kernel/redis/failover.ts'
import { assignedDurability, openCoherence, type Coherence } from '../../shared/coherence/index.ts'
import { createSessions, type SessionService } from '../../shared/sessions/index.ts'
import type { Tracing } from '../../shared/telemetry/tracing/tracing.ts'
import type { Heartbeat } from '../../shared/process/messages.ts'
import type { AskPrimary } from '../../shared/process/primary-handle.ts'
import type { Vitals } from '../../shared/process/vitals.ts'
import { builtInApplication } from '../../shared/app/built-in-application.ts'
import type { App } from '../../shared/app/app.ts'
import { stands } from '../../shared/live/behalf-watch.ts'
import { createBroadcast, type Broadcast } from '../../shared/live/broadcast.ts'
import { createParts } from '../../shared/app/create-parts.ts'
import { openApplication, runHooks } from '../../shared/app/open-application.ts'
import { firstByName, refuseContradictions } from '../../shared/app/register-features.ts'
import { allJobs, mail } from '../jobs.ts'
import { createApp } from './app.ts'
import { createAuditWriter } from './features/audit/audit-writer.ts'
import { createHttpServer } from '../http/http-server.ts'
import { createAccountMails, type AccountMails } from './features/auth/account-mails.ts'
import { passwordResetRequests } from './features/auth/password-reset-requests.ts'
import { readinessNotes } from './features/health/readiness-notes.ts'
import type { RequestPasswordReset } from './features/auth/password-reset.ts'
import type { PasswordProblem } from './features/auth/password.ts'
import {
  createReadiness,
  probeRedis,
  type Readiness,
  type SessionsDetail,
} from './features/health/readiness.ts'
import { createProxyWatch } from './pipeline/notice-proxy.ts'
import { createRequestMeter } from './request-meter.ts'
import { openLimits } from '../../shared/limits/open-limits.ts'
import { streamRoute } from './live/stream-route.ts'
import { withLiveRoutes } from './live/live-routes.ts'
import type { ConnectionBounds } from './live/connections.ts'
import { openLive } from './live/open-live.ts'
import { maintenanceOf, followRuntimeSettings, ownSettings } from '../../shared/settings/runtime-settings.ts'
import { applicationSignIn } from './features/auth/application-sign-in.ts'
import { createAuthEvents } from './features/auth/auth-events.ts'
import { composeFeatures } from './features/features.ts'
import { countWebWorkers } from './features/workers/workers.ts'
import { withAskers } from './routing/ask-as.ts'
import { shadowsAmong } from './routing/precedence.ts'
import { userSchemaOf } from './features/auth/representations.ts'
import { signInNotices } from './features/auth/sign-in-notices.ts'

export interface WebWorkerOptions {
  readonly config: Config
  /** Where the deployment has its keys in Redis. */
  readonly keys: DeploymentKeys
  /** Which place among the workers this one holds; a replacement takes the place over. */
  readonly slot: number
  readonly log: Logger
  /** Something broke for good: the worker should be replaced. */
  onFatal(cause: unknown): void
  /** Where the primary asks for what this worker measures. */
  readonly metrics?: MetricsChannel
  /** Asks the primary, where one runs this worker. */
  readonly primary?: AskPrimary
  /** The application that it serves; the built-in one when left out. */
  readonly app?: App
  /** The application's own variables, as its schema reads them. */
  readonly env?: object
  /** Where the application is, for what is wrong with it. */
  readonly file?: string | null
  readonly tracing?: Tracing
  /** What stands in the place of parts of its own; for tests, so that they run this composition and no second one. */
  readonly replaced?: Replaced
}

/** Parts that a test slows down, breaks, counts or watches. */
export interface Replaced {
  sessions?(own: SessionService): SessionService
  accounts?(own: AccountStore): AccountStore
  readonly passwords?: Passwords
  readonly passwordProblem?: PasswordProblem
  requestPasswordReset?(own: AccountStore): RequestPasswordReset
  accountMails?(own: AccountStore): AccountMails
  readonly liveBounds?: Partial<ConnectionBounds>
  readonly auditRetryMs?: number
  readonly readinessBoundMs?: number
}

/** An answer that comes later is of no use to any limit. */
const limitTimeoutMs = 5_000

/** The longest that /readyz waits for a part. */
const readinessBoundMs = 2_000

export interface WebWorker extends Service {
  /** The port that it listens on, once started. */
  readonly port: number
  /** Who this worker is among those that hold sessions. */
  readonly memberId: string
  /** From now on `/readyz` answers 503; everything is served as before. */
  announceStop(): void
  /** Its parts, as tests look at them. */
  readonly inside: {
    readonly sessions: SessionService
    readonly accounts: AccountStore
    readonly readiness: Readiness
    readonly broadcast: Broadcast
    /** Streams and sockets that are open, or being opened. */
    connections(): number
  }
  /** What it holds of sessions and has done so far. The slowest revocation is that since this was last asked. */
  vitals(): Omit<Heartbeat, keyof Vitals>
}

/** A web worker: everything in one process that answers HTTP. */
export function createWebWorker(options: WebWorkerOptions): WebWorker {
  const {
    config,
    keys,
    slot,
    log,
    onFatal,
    metrics,
    primary,
    tracing,
    app = builtInApplication,
    env = {},
    file = null,
    replaced = {},
  } = options
  const workerId = `web-${slot}`
  if (config.redis.kind === 'embedded')
    throw new TypeError('the primary resolves where the embedded Redis is')

  const redis = openRedis(config.redis, 'commands', { name: workerId })
  const subscriber = openRedis(config.redis, 'subscriber', { name: `${workerId}-subscriber` })
  const durability = assignedDurability(config.sessions.durability)
  const failover =
    durability === 'failover'
      ? openFailover(config.redis, config.redisNodes ?? 0, { name: workerId })
      : undefined
  const roomSubscriber = openRedis(config.redis, 'subscriber', { name: `${workerId}-rooms` })
  // Of its own: the limiter waits for answers itself, longer than a command may take otherwise.
  const limitRedis = openRedis(config.limitsRedis ?? config.redis, 'commands', {
    name: `${workerId}-limits`,
    commandTimeoutMs: limitTimeoutMs,
  })
  const database = openAccounts(config.database, tracing ? { onQuery: tracing.query } : {})
  const accounts = replaced.accounts?.(database) ?? database
  const { passwords = createPasswords() } = replaced
  const queues = createQueues({
    redis,
    prefix: keys.queues,
    jobs: firstByName([...allJobs, ...(app.jobs ?? [])]),
    stands: (behalf) => stands(sessions, behalf),
    ...(tracing ? { telemetry: tracing.jobs } : {}),
  })
  const audit = createAuditWriter({
    audit: database.audit,
    log,
    ...(replaced.auditRetryMs === undefined ? {} : { retryMs: replaced.auditRetryMs }),
  })
  const processMeter = createProcessMeter(workerId)
  const sessionMeter = createSessionMeter(workerId)
  const requestMeter = createRequestMeter(workerId)
  const coherence = openCoherence({
    domain: keys.sessions,
    leaseMs: config.sessions.leaseMs,
    place: workerId,
    redis,
    subscriber,
    durability,
    failover,
    onWaited(waited) {
      sessionMeter.waited(waited)
      tracing?.note({
        'lockstep.revocation.ms': waited.ms,
        'lockstep.revocation.workers_awaited': waited.acks,
        'lockstep.revocation.workers_silent': waited.silent.length,
      })
    },
  })
  const own = createSessions({
    ...config.sessions,
    redis,
    coherence,
    onCorrupt: (hash) => log.warn({ session: hash }, 'a session in Redis is corrupted and was refused'),
    onInvalidated: (ended) => live.invalidated(ended),
  })
  const sessions = replaced.sessions?.(own) ?? own
  const live = openLive({
    redis,
    subscriber: roomSubscriber,
    prefix: keys.live,
    coherence,
    sessions: own,
    log,
    ...(replaced.liveBounds ? { bounds: replaced.liveBounds } : {}),
  })
  const limits = openLimits({
    redis: limitRedis,
    coherence,
    limits: config.limits,
    policies: firstByName(app.limits ?? []),
    prefix: keys.limits,
  })
  const settings = followRuntimeSettings({
    config,
    redis,
    key: keys.settings,
    coherence,
    sessions: own,
    log,
    onLimits: limits.follow,
    ...(app.settings ? { own: app.settings } : {}),
  })
  const proxyWatch = createProxyWatch(log)
  const readiness = createReadiness(
    { redis: () => probeRedis(redis, keys.probe), database: () => database.ping() },
    replaced.readinessBoundMs ?? readinessBoundMs,
    () => sessionsDetail(sessions, coherence),
    readinessNotes(limits.guard, proxyWatch, settings),
  )
  const measuring = metrics
    ? [
        processMeter,
        answerPrimary(metrics, () => [
          ...processMeter.read(),
          ...requestMeter.read(),
          ...sessionMeter.read(sessions, coherence),
          ...limitReadings(workerId, limits.limiter.metrics()),
          ...signInReadings(workerId, limits.guard.metrics()),
        ]),
      ]
    : []

  const recordAuthEvent = createAuthEvents({
    log,
    audit,
    signed: (hook, event) => hooks.signed(hook, event),
  })
  const noticeSignIn = signInNotices({ sessions, queues, log })
  const lockstep = createParts({
    queues,
    sessions,
    signIn: applicationSignIn({
      sessions,
      recordAuthEvent,
      noticeSignIn,
      endOthers: config.sessions.loginRevokes === 'others',
      rememberAbsoluteMs: config.sessions.rememberAbsoluteMs,
      ...(app.profile ? { profile: app.profile } : {}),
    }),
    limiter: limits.limiter,
    settings: ownSettings(settings, app.settings),
    broadcast: createBroadcast({ redis, prefix: keys.live }),
    log,
    mailJob: mail,
  })
  const application = openApplication({ app, env, role: 'web', lockstep })
  const served = withAskers(withLiveRoutes(app, live, socketOptions(config.http)), sessions)
  const features = composeFeatures(
    {
      ...lockstep,
      services: {
        config,
        accounts,
        effective: createEffectiveAccounts({ accounts, sessions, onBehind: tellBehind(log) }),
        passwords,
        ...whoMaySignIn(app, { accounts, passwords }),
        roles: rolesWith(app.roles),
        userSchema: userSchemaOf(app),
        passwordProblem: replaced.passwordProblem ?? passwordProblem,
        queues,
        schedules: {
          ...createScheduleViews({ redis, prefix: keys.queues }),
          ...createScheduleControl({ redis, queues, prefix: keys.queues }),
        },
        requestPasswordReset: replaced.requestPasswordReset?.(database) ?? passwordResetRequests(queues),
        accountMails: replaced.accountMails?.(database) ?? createAccountMails(queues),
        noticeSignIn,
        recordAuthEvent,
        guard: limits.guard,
        readiness,
        liveRoute: (stream, accessOf) => streamRoute(stream, live, accessOf),
        settings,
        ...(app.settings ? { settingsSchema: app.settings } : {}),
        limits,
        webWorkers: async () => (primary ? countWebWorkers(primary) : config.workers.web),
        ...(primary ? { primary } : {}),
      },
    },
    served,
    application.parts,
  )
  const ownRoutes = [...(served.routes ?? []), ...(served.pages ?? [])]
  refuseContradictions(features, file ?? app.name, shadowsAmong(features.routes, ownRoutes))
  const hooks = runHooks(features, log)

  const koa = createApp({
    config,
    workerId,
    features,
    ownRoutes,
    sessions,
    work: live.work,
    limiter: limits.limiter,
    inMaintenance: () => maintenanceOf(settings.decide()),
    proxyWatch,
    log,
    requestMeter,
    ...(tracing ? { tracing } : {}),
  })
  const http = createHttpServer({
    ...config.http,
    handler: koa.callback(),
    log,
    onFatal,
    upgrades: (app.sockets ?? []).length > 0,
  })

  const all = group([
    ...(tracing ? [tracing] : []),
    ...measuring,
    redisService(redis),
    redisService(subscriber),
    ...(failover ? [failover] : []),
    redisService(limitRedis),
    redisService(roomSubscriber),
    limits,
    coherence,
    own,
    database,
    audit,
    queues,
    application,
    hooks.life,
    http,
    live,
    readiness,
    hooks.ready,
  ])
  return {
    start: all.start,
    stop: all.stop,
    get port() {
      return http.port
    },
    memberId: coherence.memberId,
    inside: {
      sessions: own,
      accounts: database,
      readiness,
      broadcast: lockstep.broadcast,
      connections: () => live.connections.size,
    },
    announceStop: readiness.drain,
    vitals: () => ({
      leaseMs: coherence.leaseLeftMs(),
      cachedSessions: sessions.cachedSessions(),
      requests: requestMeter.answered(),
      revocationMs: sessionMeter.takeSlowest(),
    }),
  }
}

/** Whose pages may open sockets here. */
function socketOptions({ trustProxy, publicUrl, corsOrigins }: Config['http']) {
  const own = publicUrl === null ? [] : [new URL(publicUrl).origin]
  return { trustProxy, origins: [...own, ...corsOrigins] }
}

function tellBehind(log: Logger) {
  return ({ id, version }: Account, known: number) =>
    log.warn(
      { user: id, version, known },
      'sessions knew a newer version of an account: the accounts were put back from a backup, and what they say now counts',
    )
}

/** Our own accounts, unless the application brings others or signs people in by itself. */
function whoMaySignIn({ accounts, profile }: App, own: Parameters<typeof createAccountIdentity>[0]) {
  if (accounts === null) return { identity: null, ownAccounts: false }
  return {
    identity: accounts
      ? checkIdentity(accounts, profile ? { profile } : {})
      : checkIdentity(createAccountIdentity(own)),
    ownAccounts: accounts === undefined,
  }
}

function sessionsDetail({ cacheMode }: SessionService, { leaseOk }: Coherence): SessionsDetail {
  if (cacheMode !== 'coherent') return { cache: cacheMode, lease: 'none' }
  return { cache: cacheMode, lease: leaseOk() ? 'held' : 'lapsed' }
}
