import type { Config } from '../../../shared/config/config.ts'
import { createServiceStack, deadlineIn, type Service } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import type { Tracing } from '../../../shared/telemetry/tracing/tracing.ts'
import { openRedis, redisService } from '../../../shared/kernel/redis/connections.ts'
import type { App } from '../../../shared/app/app.ts'
import { createWebWorker } from '../../web/worker.ts'
import { firstAdministratorText } from '../boot/announcements.ts'
import type { WorkerState } from '../../../shared/process/control-request.ts'
import { foundLimits } from '../boot/found-limits.ts'
import { followHosts } from '../boot/hosts.ts'
import { describeLoneWorker, standInForPrimary } from './pm2-stand-in.ts'
import { prepareAccounts } from '../boot/prepare-accounts.ts'
import { prepareRedis } from '../boot/prepare-redis.ts'

export interface LoneWorkerOptions {
  readonly config: Config
  readonly slot: number
  readonly log: Logger
  readonly app?: App
  readonly env?: object
  readonly file?: string | null
  readonly tracing?: Tracing
  /** Something broke for good: the worker should be replaced. */
  onFatal(cause: unknown): void
  /** Says something to the person who started it, past the log. */
  say(text: string): void
}

/**
 * A web worker without a primary of ours: in its cluster mode pm2 forks any number of these. Each does by itself what
 * the primary would do once for all; all of that may be done by several at once.
 */
export function createLoneWorker(options: LoneWorkerOptions): Service {
  const { config, slot, log, say } = options
  const services = createServiceStack()
  let state: WorkerState = 'starting'

  async function boot(): Promise<void> {
    // The configuration refuses the embedded Redis here, so there is no program to look for.
    const redis = await prepareRedis({ config, searchPath: '', log, services })
    const { administrator, deployment } = await prepareAccounts(config, redis.target, log)
    const { keys } = deployment
    if (administrator) {
      say(firstAdministratorText(administrator))
      await foundLimits(config.limitsRedis ?? redis.target, keys.limits)
    }
    const sessions = { ...config.sessions, durability: redis.durability }
    // pm2 may add workers at any time, so nothing may count on being the only one.
    const workers = { ...config.workers, web: Math.max(2, config.workers.web) }
    const connection = openRedis(redis.target, 'commands', { name: `web-${slot}-hosts` })
    const worker = createWebWorker({
      ...options,
      config: { ...config, sessions, workers },
      keys,
      primary: standInForPrimary(() => hosts),
    })
    const describe = describeLoneWorker(worker, slot)
    const hosts = followHosts({ redis: connection, keys, own: () => [describe(state)] })
    await services.start(redisService(connection))
    await services.start(hosts)
    await services.start(worker)
    state = 'ready'
  }

  return {
    async start() {
      try {
        await boot()
      } catch (cause) {
        await services.stop(deadlineIn(undoMs)).catch(() => {})
        throw cause
      }
    },
    async stop(deadline) {
      state = 'draining'
      await services.stop(deadline)
    },
  }
}

const undoMs = 5_000
