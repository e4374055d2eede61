/**
 * The composition of the primary: everything that exists once, however many workers there are. `start` is the boot
 * in order; each step may refuse, and then what the steps before it started is undone.
 */
import { hostname } from 'node:os'
import type { Config } from '../../shared/config/config.ts'
import { applicationEnvironment } from '../../shared/process/assignment.ts'
import { keySpaceVariable } from '../../shared/deployment/assigned-space.ts'
import { createServiceStack, deadlineIn, type Service } from '../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../shared/telemetry/log.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { localUrl } from '../../shared/config/local-url.ts'
import { firstAdministratorText, listeningText } from './boot/announcements.ts'
import { claimPort } from './boot/claim-port.ts'
import { createControl, type Control } from './control/control.ts'
import { refusal, type ControlAnswer } from '../../shared/process/control-request.ts'
import { serveControl } from './control/control-socket.ts'
import { followRecent } from './control/recent.ts'
import { createDataDirectory } from './boot/data-directory.ts'
import { forgetDeparted, passOnJobs } from './supervision/departures.ts'
import { foldAccounts } from './boot/fold-accounts.ts'
import { foundLimits } from './boot/found-limits.ts'
import { followHosts } from './boot/hosts.ts'
import { serveMetrics } from './metrics/metrics.ts'
import { objectionTo } from './boot/objection.ts'
import { memoryLimit, memoryShare } from './boot/memory-share.ts'
import { prepareAccounts } from './boot/prepare-accounts.ts'
import { prepareRedis } from './boot/prepare-redis.ts'
import { watchRedis } from './supervision/redis-watch.ts'
import { Supervisor, type WorkerKind } from './supervision/supervisor.ts'
import { workerStatuses } from './supervision/worker-status.ts'

export interface PrimaryOptions {
  readonly config: Config
  /** The programs that workers run, and what Node is told for them. */
  readonly programs: { readonly web: string; readonly jobs: string; readonly nodeArgs: readonly string[] }
  /** Where programs are looked for, in the form of PATH. */
  readonly searchPath: string
  /** The module that workers load; null: the built-in application. */
  readonly application: string | null
  readonly log: Logger
  /** Says something to the person who started it, past the log. */
  say(text: string): void
}

export interface Primary extends Service {
  /** Replaces all workers one by one. What comes of it is in the log. */
  reload(): void
  /** The longest that its workers take to stop gracefully. */
  readonly stopMs: number
  /** Adds so many web workers, or takes some away; one stays. */
  addWebWorkers(count: number): void
}

export function createPrimary({
  config,
  application,
  programs,
  searchPath,
  log,
  say,
}: PrimaryOptions): Primary {
  const { host } = config.http
  const services = createServiceStack()
  let control: Control | null = null

  async function boot(): Promise<void> {
    await services.start(createDataDirectory(config.dataDir))
    const port = await claimPort(host, config.http.port)
    const redis = await prepareRedis({ config, searchPath, log, services })
    const { administrator, deployment } = await prepareAccounts(config, redis.target, log)
    const { keys } = deployment
    await redis.settleLoss(keys)
    await services.start(foldAccounts(config.database))
    if (administrator) {
      say(firstAdministratorText(administrator))
      await foundLimits(config.limitsRedis ?? redis.target, keys.limits)
    }

    const env = {
      ADMIN_PASSWORD: undefined,
      PORT: String(port),
      WORKERS: String(config.workers.web),
      REDIS_URL: redis.url,
      SESSION_DURABILITY: redis.durability,
      [keySpaceVariable]: deployment.space,
      ...(application === null ? {} : applicationEnvironment(application)),
    }
    const kinds: WorkerKind[] = [
      { role: 'web', count: config.workers.web, exec: programs.web, nodeArgs: programs.nodeArgs, env },
      {
        role: 'jobs',
        count: config.workers.jobs,
        exec: programs.jobs,
        nodeArgs: programs.nodeArgs,
        env,
        graceMs: config.jobGraceMs,
      },
    ]
    const connection = openRedis(redis.target, 'commands', { name: 'primary' })
    await services.start(redisService(connection))
    const redisWatch = watchRedis({ redis: connection, durability: redis.durability, log })
    await services.start(redisWatch)
    const limitBytes = memoryLimit()
    const heapIsSet =
      config.workers.heapIsSet || process.execArgv.some((arg) => arg.includes('max-old-space'))
    const forget = forgetDeparted(connection, redis.durability, { keys, log })
    const inheritance = passOnJobs(() => supervisor.workers())
    const supervisor: Supervisor = new Supervisor({
      kinds,
      graceMs: config.graceMs,
      drainDelayMs: config.drainDelayMs,
      scheduling: config.workers.scheduling,
      recycle: config.workers,
      memory: (workers) => (heapIsSet ? null : memoryShare(limitBytes, workers)),
      answer: async (request) =>
        control?.answerWorker(request) ?? refusal('failed', 'the server is still starting'),
      onReady: inheritance.onReady,
      onExit(worker) {
        forget(worker)
        inheritance.onExit(worker)
      },
      log,
    })
    if (config.metrics)
      await services.start(serveMetrics(config.metrics, { supervisor, log, more: redisWatch.read }))
    await services.start(supervisor)

    const own = hostname()
    const hosts = followHosts({ redis: connection, keys, own: () => workerStatuses(supervisor, own) })
    await services.start(hosts)
    const recent = followRecent({ all: hosts.all })
    await services.start(recent)
    control = createControl({
      supervisor,
      hosts,
      recent,
      host: own,
      redis: {
        embeddedUrl: config.redis.kind === 'embedded' ? redis.url : null,
        durability: redis.durability,
        keySpace: deployment.space,
      },
      objection: (web) => objectionTo(web, { redis: connection, key: keys.settings, config }),
      log,
    })
    await services.start(serveControl({ dataDir: config.dataDir, control, log }))
    // The first to be stopped: until balancers know, everything is there.
    await services.start({ async start() {}, stop: (deadline) => supervisor.announceStop(deadline) })

    const url = config.http.publicUrl ?? localUrl(host, port)
    const email = administrator?.email ?? config.admin.email ?? '<e-mail>'
    log.info({ url: localUrl(host, port), workers: config.workers.web }, 'listening')
    say(listeningText(url, config.workers.web, email))
  }

  /** On behalf of a signal, which no one waits for. */
  async function tellRefusal(command: string, answering: Promise<ControlAnswer> | undefined): Promise<void> {
    const answer = await answering
    if (answer?.ok === false) log.warn({ command, reason: answer.message }, 'a command was refused')
  }

  return {
    async start() {
      try {
        await boot()
      } catch (cause) {
        await services
          .stop(deadlineIn(undoMs))
          .catch((err: unknown) => log.error({ err }, 'undoing the start failed'))
        throw cause
      }
    },
    stop: (deadline) => services.stop(deadline),
    stopMs: config.drainDelayMs + Math.max(config.graceMs, config.jobGraceMs),
    reload: () => void tellRefusal('reload', control?.answer({ command: 'reload' })),
    addWebWorkers: (count) => void tellRefusal('scale', control?.addWebWorkers(count)),
  }
}

const undoMs = 5_000
