import { createAccountStore, type AccountStoreOptions } from '../account-store.ts'
import type { AccountStore } from '../accounts.ts'
import { createLibsqlDialect } from './libsql-dialect.ts'

export interface SqliteAccountsOptions extends AccountStoreOptions {
  /** Created when absent, readable by its owner only. */
  readonly file: string
}

/**
 * Accounts in a file, for the processes of one machine. What was acknowledged survives a power cut. SQLite works
 * on the thread of the caller: fine for accounts, which are read at login and not on every request.
 */
export function openSqliteAccounts({ file, ...options }: SqliteAccountsOptions): AccountStore {
  return createAccountStore(
    {
      system: 'sqlite',
      dialect: (timeoutMs) => createLibsqlDialect({ file, timeoutMs }),
      exactText: 'text',
    },
    options,
  )
}
