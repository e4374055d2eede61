import type { DatabaseTarget } from '../config/config.ts'
import type { AccountStoreOptions } from './account-store.ts'
import type { AccountStore } from './accounts.ts'
import { openPostgresAccounts } from './postgres/open-postgres.ts'
import { openSqliteAccounts } from './sqlite/open-sqlite.ts'

/** The accounts in the database that the configuration names. */
export function openAccounts(target: DatabaseTarget, options: AccountStoreOptions = {}): AccountStore {
  return target.kind === 'sqlite'
    ? openSqliteAccounts({ file: target.file, ...options })
    : openPostgresAccounts({ url: target.url, ...options })
}
