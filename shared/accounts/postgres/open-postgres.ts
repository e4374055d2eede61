import { PostgresDialect } from 'kysely'
import { createAccountStore, type AccountStoreOptions } from '../account-store.ts'
import type { AccountStore } from '../accounts.ts'
import { createBoundedPool } from './bounded-pool.ts'

export interface PostgresAccountsOptions extends AccountStoreOptions {
  readonly url: string
}

/** Accounts in Postgres, for any number of hosts. A database that was away is used again as soon as it is back. */
export function openPostgresAccounts({ url, ...options }: PostgresAccountsOptions): AccountStore {
  return createAccountStore(
    {
      system: 'postgresql',
      dialect: (timeoutMs) =>
        new PostgresDialect({ pool: async () => createBoundedPool({ url, timeoutMs }) }),
      exactText: 'text collate "C"',
    },
    options,
  )
}
