/**
 * The composition of the primary: everything that exists once, however many workers there are. `start` is the boot
 * in order; each step may refuse, and then what the steps before it started is undone.
 */
import type { Config } from '../../shared/config.ts'
import { createServiceStack, deadlineIn, type Service } from '../../shared/lifecycle.ts'
import type { Logger } from '../../shared/log.ts'
import { firstAdministratorText, listeningText, localUrl } from './announcements.ts'
import { claimPort } from './claim-port.ts'
import { createDataDirectory } from './data-directory.ts'
import { serveMetrics } from './metrics.ts'
import { foundLimits } from './found-limits.ts'
import { prepareAccounts } from './prepare-accounts.ts'
import { prepareRedis } from './prepare-redis.ts'
import { Supervisor } from './supervisor.ts'

export interface PrimaryOptions {
  readonly config: Config
  /** The program that workers run. */
  readonly exec: string
  /** Where programs are looked for, in the form of PATH. */
  readonly searchPath: string
  readonly log: Logger
  /** Says something to the person who started it, past the log. */
  say(text: string): void
}

export function createPrimary({ config, exec, searchPath, log, say }: PrimaryOptions): Service {
  const { host } = config.http
  const services = createServiceStack()

  async function boot(): Promise<void> {
    await services.start(createDataDirectory(config.dataDir))
    const port = await claimPort(host, config.http.port)
    const redis = await prepareRedis({ config, searchPath, log, services })
    const administrator = await prepareAccounts(config)
    if (administrator) {
      say(firstAdministratorText(administrator))
      await foundLimits(redis.target)
    }

    const web = {
      role: 'web',
      count: config.workers.web,
      exec,
      env: {
        ADMIN_PASSWORD: undefined,
        PORT: String(port),
        WORKERS: String(config.workers.web),
        REDIS_URL: redis.url,
        SESSION_DURABILITY: redis.durability,
      },
    } as const
    const supervisor = new Supervisor({ kinds: [web], graceMs: config.graceMs, log })
    if (config.metrics) await services.start(serveMetrics(config.metrics, { supervisor, log }))
    await services.start(supervisor)

    const url = config.http.publicUrl ?? localUrl(host, port)
    const email = administrator?.email ?? config.admin.email ?? 'admin@localhost'
    log.info({ url: localUrl(host, port), workers: web.count }, 'listening')
    say(listeningText(url, web.count, email))
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
  }
}

const undoMs = 5_000
