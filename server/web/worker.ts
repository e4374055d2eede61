import { createPasswords } from '../../shared/accounts/passwords.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { passwordProblem } from '../../shared/accounts/password-rules.ts'
import type { Config, Durability } from '../../shared/config/config.ts'
import type { DeploymentKeys } from '../../shared/deployment/deployment-keys.ts'
import { group, type Service } from '../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../shared/telemetry/log.ts'
import { createQueues } from '../../shared/queues/queues.ts'
import { createScheduleViews } from '../../shared/queues/schedule-views.ts'
import { answerPrimary, type MetricsChannel } from '../../shared/telemetry/metrics/answer-primary.ts'
import { limitReadings } from '../../shared/telemetry/metrics/limit-readings.ts'
import { createProcessMeter } from '../../shared/telemetry/metrics/process-meter.ts'
import { createSessionMeter } from '../../shared/telemetry/metrics/session-meter.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { openCoherence, type Coherence, type DurabilityMode } from '../../shared/coherence/index.ts'
import { createSessions, type SessionService } from '../../shared/sessions/create-sessions.ts'
import type { Tracing } from '../../shared/telemetry/tracing/tracing.ts'
import type { AskPrimary } from '../../shared/process/primary-handle.ts'
import { jobs } from '../jobs.ts'
import { limits as policies } from '../limits.ts'
import { createApp } from './app.ts'
import { createAuditWriter } from './features/audit/audit-writer.ts'
import { createHttpServer } from '../http/http-server.ts'
import { passwordResetRequests } from './features/auth/password-reset-requests.ts'
import { createReadiness, probeRedis, type SessionsDetail } from './features/health/readiness.ts'
import { createRequestMeter } from './request-meter.ts'
import { openLimits } from './limits.ts'
import type { Route } from '../../shared/app/route.ts'
import { followRuntimeSettings } from './features/settings/runtime-settings.ts'
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
  /** The application's own routes. */
  readonly routes?: readonly Route[]
  readonly tracing?: Tracing
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
  /** What it holds of sessions. */
  vitals(): { readonly leaseMs: number; readonly cachedSessions: number }
}

/** A web worker: everything in one process that answers HTTP. */
export function createWebWorker(options: WebWorkerOptions): WebWorker {
  const { config, keys, slot, log, onFatal, metrics, primary, routes = [], tracing } = options
  const workerId = `web-${slot}`
  if (config.redis.kind === 'embedded')
    throw new TypeError('the primary resolves where the embedded Redis is')

  const redis = openRedis(config.redis, 'commands', { name: workerId })
  const subscriber = openRedis(config.redis, 'subscriber', { name: `${workerId}-subscriber` })
  // Of its own: the limiter waits for answers itself, longer than a command may take otherwise.
  const limitRedis = openRedis(config.redis, 'commands', {
    name: `${workerId}-limits`,
    commandTimeoutMs: limitTimeoutMs,
  })
  const accounts = openAccounts(config.database, tracing ? { onQuery: tracing.query } : {})
  const passwords = createPasswords()
  const queues = createQueues({
    redis,
    prefix: keys.queues,
    jobs,
    ...(tracing ? { telemetry: tracing.jobs } : {}),
  })
  const audit = createAuditWriter({ audit: accounts.audit, log })
  const processMeter = createProcessMeter(workerId)
  const sessionMeter = createSessionMeter(workerId)
  const requestMeter = createRequestMeter(workerId)
  const coherence = openCoherence({
    domain: keys.sessions,
    leaseMs: config.sessions.leaseMs,
    place: workerId,
    redis,
    subscriber,
    durability: resolvedDurability(config.sessions.durability),
    onWaited(waited) {
      sessionMeter.waited(waited)
      tracing?.note({
        'lockstep.revocation.ms': waited.ms,
        'lockstep.revocation.workers_awaited': waited.acks,
        'lockstep.revocation.workers_silent': waited.silent.length,
      })
    },
  })
  const sessions = createSessions({
    ...config.sessions,
    redis,
    coherence,
    onCorrupt: (hash) => log.warn({ session: hash }, 'a session in Redis is corrupted and was refused'),
  })
  const limits = openLimits({
    redis: limitRedis,
    coherence,
    limits: config.limits,
    policies,
    prefix: keys.limits,
  })
  const settings = followRuntimeSettings({
    config,
    redis,
    key: keys.settings,
    coherence,
    sessions,
    log,
    onLimits: limits.follow,
  })
  const readiness = createReadiness(
    { redis: () => probeRedis(redis, keys.probe), database: () => accounts.ping() },
    readinessBoundMs,
    () => sessionsDetail(sessions, coherence),
  )
  const measuring = metrics
    ? [
        processMeter,
        answerPrimary(metrics, () => [
          ...processMeter.read(),
          ...requestMeter.read(),
          ...sessionMeter.read(sessions, coherence),
          ...limitReadings(workerId, limits.limiter.metrics()),
        ]),
      ]
    : []

  const app = createApp({
    config,
    sessions,
    accounts,
    passwords,
    passwordProblem,
    queues,
    schedules: createScheduleViews({ redis, prefix: keys.queues }),
    requestPasswordReset: passwordResetRequests(queues),
    noticeSignIn: signInNotices({ sessions, queues, log }),
    audit,
    readiness,
    settings,
    limits,
    ...(primary ? { primary } : {}),
    log,
    routes,
    requestMeter,
    workerId,
    ...(tracing ? { tracing } : {}),
  })
  const http = createHttpServer({ ...config.http, handler: app.callback(), log, onFatal })

  const all = group([
    ...(tracing ? [tracing] : []),
    ...measuring,
    redisService(redis),
    redisService(subscriber),
    redisService(limitRedis),
    limits,
    coherence,
    sessions,
    accounts,
    audit,
    queues,
    http,
    readiness,
  ])
  return {
    start: all.start,
    stop: all.stop,
    get port() {
      return http.port
    },
    memberId: coherence.memberId,
    vitals: () => ({ leaseMs: coherence.leaseLeftMs(), cachedSessions: sessions.cachedSessions() }),
  }
}

/** The primary has found out what Redis keeps; not knowing, nobody stays signed in over its restart. */
function resolvedDurability(durability: Durability): DurabilityMode {
  return durability === 'keep' || durability === 'failover' ? durability : 'fence'
}

function sessionsDetail({ cacheMode }: SessionService, { leaseOk }: Coherence): SessionsDetail {
  if (cacheMode !== 'coherent') return { cache: cacheMode, lease: 'none' }
  return { cache: cacheMode, lease: leaseOk() ? 'held' : 'lapsed' }
}
