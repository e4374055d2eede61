/**
 * The composition of the primary: everything that exists once, however many workers there are. `start` is the boot
 * in order; each step may refuse, and then what the steps before it started is undone.
 */
import { ensureFirstAdministrator } from '../../shared/accounts/first-administrator.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { createPasswords } from '../../shared/accounts/passwords.ts'
import type { Config } from '../../shared/config.ts'
import { Unavailable } from '../../shared/errors.ts'
import { createServiceStack, deadlineIn, type Service } from '../../shared/lifecycle.ts'
import type { Logger } from '../../shared/log.ts'
import { withoutUrlSecrets } from '../../shared/redact.ts'
import { firstAdministratorText, listeningText, localUrl } from './announcements.ts'
import { claimPort } from './claim-port.ts'
import { createDataDirectory } from './data-directory.ts'
import { serveMetrics } from './metrics.ts'
import { foundLimits } from './found-limits.ts'
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

/** Upgrades the tables and creates the first administrator; gives who was created. */
async function prepareAccounts({ database, admin }: Config) {
  const accounts = openAccounts(database)
  try {
    await accounts.start()
    await accounts.migrate()
    return await ensureFirstAdministrator(accounts, createPasswords(), admin)
  } catch (cause) {
    throw cause instanceof Unavailable ? databaseAway(database, cause) : cause
  } finally {
    await accounts.stop(deadlineIn(undoMs))
  }
}

function databaseAway(database: Config['database'], cause: Unavailable): Error {
  const place = database.kind === 'sqlite' ? database.file : withoutUrlSecrets(database.url)
  const reason = cause.cause instanceof Error ? cause.cause.message : cause.message
  return new Error(
    `The accounts database ${place} can't be asked (${withoutUrlSecrets(reason)}). ` +
      'Start it, correct DATABASE_URL, or unset DATABASE_URL to keep accounts in a file.',
    { cause },
  )
}
