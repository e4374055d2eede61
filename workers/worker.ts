import type { App } from '../shared/app/app.ts'
import { bindJob } from '../shared/app/bind-job.ts'
import { builtInApplication } from '../shared/app/built-in-application.ts'
import type { Feature } from '../shared/app/feature.ts'
import { openApplication, runHooks } from '../shared/app/open-application.ts'
import type { Parts } from '../shared/app/parts.ts'
import { firstByName, leftIn, registerFeatures } from '../shared/app/register-features.ts'
import { openAccounts } from '../shared/accounts/open-accounts.ts'
import type { Config } from '../shared/config/config.ts'
import { localUrl } from '../shared/config/local-url.ts'
import { group, type Service } from '../shared/kernel/lifecycle.ts'
import type { DeploymentKeys } from '../shared/deployment/deployment-keys.ts'
import type { Logger } from '../shared/telemetry/log.ts'
import { createMailer } from '../shared/mail/create-mailer.ts'
import { answerPrimary, type MetricsChannel } from '../shared/telemetry/metrics/answer-primary.ts'
import { createProcessMeter } from '../shared/telemetry/metrics/process-meter.ts'
import { createQueueMeter } from '../shared/telemetry/metrics/queue-meter.ts'
import { releaseOfBuild } from '../shared/process/release.ts'
import { createJobWorkers } from '../shared/queues/job-workers.ts'
import type { RecoveryLimits } from '../shared/queues/consumer.ts'
import { createQueues } from '../shared/queues/queues.ts'
import { createScheduleRegistry } from '../shared/queues/schedule-registry.ts'
import { createTickWorker } from '../shared/queues/tick-worker.ts'
import { openRedis, redisService } from '../shared/kernel/redis/connections.ts'
import type { Tracing } from '../shared/telemetry/tracing/tracing.ts'
import * as builtIn from './features.ts'
import { jobs } from './jobs.ts'
import { openShared } from './open-shared.ts'

export interface JobWorkerOptions {
  readonly config: Config
  /** Which place among the job workers this one holds; a replacement takes the place over. */
  readonly slot: number
  /** What this process is called where jobs are kept; no two alike, also not one after the other. */
  readonly name?: string
  /** Where the deployment has its keys in Redis. */
  readonly keys: DeploymentKeys
  readonly log: Logger
  /** Where the primary asks for what this worker measures. */
  readonly metrics?: MetricsChannel
  readonly recovery?: Partial<RecoveryLimits>
  readonly tracing?: Tracing
  /** The application whose jobs it does beside ours; the built-in one when left out. */
  readonly app?: App
  /** The application's own variables, as its schema reads them. */
  readonly env?: object
  /** When the application was written; null where it is the built-in one. */
  readonly release?: number | null
}

export interface JobWorker extends Service {
  /** Has the jobs of a worker that has certainly died done again at once. */
  takeOver(worker: string): Promise<void>
}

/** A job worker: everything in one process that does background work. Ready when the schedules are reconciled. */
export function createJobWorker(options: JobWorkerOptions): JobWorker {
  const { config, slot, name, keys, log, metrics, recovery = {}, tracing } = options
  const { app = builtInApplication, env = {} } = options
  const workerId = `jobs-${slot}`
  const prefix = keys.queues
  const target = config.redis
  if (target.kind === 'embedded') throw new TypeError('the primary resolves where the embedded Redis is')

  const redis = openRedis(target, 'commands', { name: workerId })
  const connect = () => openRedis(target, 'blocking', { name: `${workerId}-blocking` })
  const mailer = createMailer({ ...config.mail, dataDir: config.dataDir, log })
  const accounts = openAccounts(config.database, tracing ? { onQuery: tracing.query } : {})
  const telemetry = tracing ? { telemetry: tracing.jobs } : {}
  const queues = createQueues({
    redis,
    prefix,
    jobs: firstByName([...jobs, ...(app.jobs ?? [])]),
    stands: (behalf) => stands(behalf),
    ...telemetry,
  })
  const {
    lockstep,
    beforeRun,
    behalves,
    stands,
    services: shared,
  } = openShared({
    config,
    target,
    workerId,
    keys,
    redis,
    queues,
    app,
    log,
  })
  const application = openApplication({ app, env, role: 'jobs', lockstep })
  const services = {
    accounts,
    mailer,
    audit: accounts.audit,
    auditRetentionMs: config.auditRetentionMs,
    publicUrl: config.http.publicUrl ?? localUrl(config.http.host, config.http.port),
  }
  const features = registerFeatures([
    ...leftIn(background, app).map((feature) => ({
      feature,
      parts: { ...lockstep, services } satisfies Parts<object> as Parts,
    })),
    { feature: app, parts: application.parts },
  ])
  const hooks = runHooks(features, log)
  const release = newest(releaseOfBuild(), options.release ?? null)
  const registry = createScheduleRegistry({
    redis,
    prefix,
    queues,
    schedules: features.schedules,
    log,
    ...(release === null ? {} : { release }),
  })
  const consuming = { connect, prefix, redis, queues, log, recovery, worker: name }
  const workers = createJobWorkers({
    ...consuming,
    jobs: firstByName(features.jobs).map((job) => bindJob(job, features.partsOf(job), beforeRun)),
    services: undefined,
    onFailed: hooks.jobFailed,
    behalves,
    ...telemetry,
  })
  const ticks = createTickWorker(consuming)

  const processMeter = createProcessMeter(workerId)
  const queueMeter = createQueueMeter({ queues, durations: workers.durations })
  const measuring = metrics
    ? [processMeter, answerPrimary(metrics, () => [...processMeter.read(), ...queueMeter.read()])]
    : []

  const all = group([
    ...(tracing ? [tracing] : []),
    ...measuring,
    redisService(redis),
    mailer,
    accounts,
    queues,
    ...shared,
    application,
    hooks.life,
    registry,
    workers,
    ticks,
    hooks.ready,
  ])
  return {
    start: all.start,
    stop: all.stop,
    async takeOver(worker) {
      await Promise.all([workers.takeOver(worker), ticks.takeOver(worker)])
    },
  }
}

const background: readonly Feature[] = [builtIn.auth, builtIn.audit, builtIn.jobs]

function newest(...releases: readonly (number | null)[]): number | null {
  const known = releases.filter((release) => release !== null)
  return known.length === 0 ? null : Math.max(...known)
}
