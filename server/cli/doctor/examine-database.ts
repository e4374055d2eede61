import { existsSync } from 'node:fs'
import { openAccounts } from '../../../shared/accounts/open-accounts.ts'
import type { Config } from '../../../shared/config/config.ts'
import { messageOf, Unavailable } from '../../../shared/kernel/errors.ts'
import { deadlineIn } from '../../../shared/kernel/lifecycle.ts'
import { withoutUrlSecrets } from '../../../shared/kernel/redact.ts'
import { findingsAbout, type Finding } from './finding.ts'

const { ok, problem } = findingsAbout('database')

/** Whether it can be asked, and whether its tables are those that this version needs. */
export async function examineDatabase({ database }: Config): Promise<Finding[]> {
  const place = database.kind === 'sqlite' ? database.file : withoutUrlSecrets(database.url)
  // To open a file that is not there would make it.
  if (database.kind === 'sqlite' && !existsSync(place))
    return [ok(`${place} will be made by the first start`)]

  const accounts = openAccounts(database)
  try {
    await accounts.start()
    const missing = await accounts.missingMigrations()
    if (missing.length > 0) {
      return [ok(`${place} answers; the next start upgrades it (${missing.join(', ')})`)]
    }
    return [ok(`${place} answers and is up to date, with ${await accounts.count()} accounts`)]
  } catch (cause) {
    return [problem(`${place} can't be asked (${reasonOf(cause)}). Start it, or correct DATABASE_URL.`)]
  } finally {
    await accounts.stop(deadlineIn(1_000))
  }
}

function reasonOf(cause: unknown): string {
  const root = cause instanceof Unavailable ? cause.cause : cause
  return withoutUrlSecrets(messageOf(root))
}
