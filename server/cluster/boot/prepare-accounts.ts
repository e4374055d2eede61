import { ensureFirstAdministrator } from '../../../shared/accounts/first-administrator.ts'
import { openAccounts } from '../../../shared/accounts/open-accounts.ts'
import { createPasswords } from '../../../shared/accounts/passwords.ts'
import type { Config } from '../../../shared/config/config.ts'
import { Unavailable } from '../../../shared/kernel/errors.ts'
import { deadlineIn } from '../../../shared/kernel/lifecycle.ts'
import { withoutUrlSecrets } from '../../../shared/kernel/redact.ts'
import type { FirstAdministrator } from './announcements.ts'

/**
 * Upgrades the tables and creates the first administrator; gives who was created. Several processes, on several
 * hosts, may do it at once: one upgrades, and one creates.
 */
export async function prepareAccounts({
  database,
  admin,
}: Pick<Config, 'database' | 'admin'>): Promise<FirstAdministrator | null> {
  const accounts = openAccounts(database)
  try {
    await accounts.start()
    await accounts.migrate()
    return await ensureFirstAdministrator(accounts, createPasswords(), admin)
  } catch (cause) {
    throw cause instanceof Unavailable ? databaseAway(database, cause) : cause
  } finally {
    await accounts.stop(deadlineIn(closingMs))
  }
}

const closingMs = 5_000

function databaseAway(database: Config['database'], cause: Unavailable): Error {
  const place = database.kind === 'sqlite' ? database.file : withoutUrlSecrets(database.url)
  const reason = cause.cause instanceof Error ? cause.cause.message : cause.message
  return new Error(
    `The accounts database ${place} can't be asked (${withoutUrlSecrets(reason)}). ` +
      'Start it, correct DATABASE_URL, or unset DATABASE_URL to keep accounts in a file.',
    { cause },
  )
}
