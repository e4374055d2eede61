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
import { jobs } from './jobs.ts'
import { schedules } from './schedules.ts'

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
}

export interface JobWorker extends Service {
  /** Has the jobs of a worker that has certainly died done again at once. */
  takeOver(worker: string): Promise<void>
}

/** A job worker: everything in one process that does background work. Ready when the schedules are reconciled. */
export function createJobWorker(options: JobWorkerOptions): JobWorker {
  const { config, slot, name, keys, log, metrics, recovery = {}, tracing } = options
  const workerId = `jobs-${slot}`
  const prefix = keys.queues
  const target = config.redis
  if (target.kind === 'embedded') throw new TypeError('the primary resolves where the embedded Redis is')

  const redis = openRedis(target, 'commands', { name: workerId })
  const connect = () => openRedis(target, 'blocking', { name: `${workerId}-blocking` })
  const mailer = createMailer({ ...config.mail, dataDir: config.dataDir, log })
  const accounts = openAccounts(config.database, tracing ? { onQuery: tracing.query } : {})
  const telemetry = tracing ? { telemetry: tracing.jobs } : {}
  const queues = createQueues({ redis, prefix, jobs, ...telemetry })
  const services = {
    accounts,
    mailer,
    queues,
    audit: accounts.audit,
    auditRetentionMs: config.auditRetentionMs,
    publicUrl: config.http.publicUrl ?? localUrl(config.http.host, config.http.port),
  }
  const release = releaseOfBuild()
  const registry = createScheduleRegistry({
    redis,
    prefix,
    queues,
    schedules,
    log,
    ...(release === null ? {} : { release }),
  })
  const consuming = { connect, prefix, redis, queues, log, recovery, worker: name }
  const workers = createJobWorkers({ ...consuming, jobs, services, ...telemetry })
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
    registry,
    workers,
    ticks,
  ])
  return {
    start: all.start,
    stop: all.stop,
    async takeOver(worker) {
      await Promise.all([workers.takeOver(worker), ticks.takeOver(worker)])
    },
  }
}
