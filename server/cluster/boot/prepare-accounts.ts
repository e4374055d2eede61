import { ensureFirstAdministrator } from '../../../shared/accounts/first-administrator.ts'
import { openAccounts } from '../../../shared/accounts/open-accounts.ts'
import { createPasswords } from '../../../shared/accounts/passwords.ts'
import type { Config, RedisTarget } from '../../../shared/config/config.ts'
import { deploymentOf } from '../../../shared/deployment/open-deployment.ts'
import type { Deployment } from '../../../shared/deployment/resolve-deployment.ts'
import { Unavailable } from '../../../shared/kernel/errors.ts'
import { deadlineIn } from '../../../shared/kernel/lifecycle.ts'
import { withoutUrlSecrets } from '../../../shared/kernel/redact.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import type { FirstAdministrator } from './announcements.ts'

export interface PreparedAccounts {
  readonly deployment: Deployment
  /** Null when there are accounts already. */
  readonly administrator: FirstAdministrator | null
}

/**
 * Upgrades the tables, finds out which deployment this is, and creates the first administrator. Several processes, on
 * several hosts, may do it at once: one upgrades, and one creates. Nothing is created for a deployment that is refused.
 */
export async function prepareAccounts(
  config: Pick<Config, 'appName' | 'database' | 'admin'>,
  target: Exclude<RedisTarget, { kind: 'embedded' }>,
  log: Logger,
): Promise<PreparedAccounts> {
  const { database, admin } = config
  const accounts = openAccounts(database)
  try {
    await accounts.start()
    await accounts.migrate()
    const deployment = await deploymentOf(accounts, { config, target })
    tellOrigin(deployment, log)
    return { deployment, administrator: await ensureFirstAdministrator(accounts, createPasswords(), admin) }
  } catch (cause) {
    throw cause instanceof Unavailable ? databaseAway(database, cause) : cause
  } finally {
    await accounts.stop(deadlineIn(closingMs))
  }
}

const closingMs = 5_000

function tellOrigin({ name, space, keys, origin }: Deployment, log: Logger): void {
  const facts = { deployment: name ?? space, keys: keys.marker, origin }
  if (origin !== 'renamed') return log.info(facts, 'the deployment is known')
  log.warn(
    facts,
    'the accounts were used under another name so far: everybody signs in again, and jobs that wait under the old name ' +
      'stay there. Set APP_NAME back to go on with them',
  )
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
