import { existsSync } from 'node:fs'
import Database from 'libsql'
import type { DatabaseTarget } from '../../../shared/config/config.ts'
import type { Service } from '../../../shared/kernel/lifecycle.ts'

/**
 * Leaves all accounts in the file itself, when it is stopped: after all workers. SQLite keeps the latest changes in a
 * log beside the file, which is a trap for whoever copies the file alone. Closing would move them, but a handle of
 * libsql closes only when its last statement is garbage. Someone else who works on the file just then keeps the log.
 */
export function foldAccounts(database: DatabaseTarget): Service {
  return {
    async start() {},
    async stop() {
      if (database.kind !== 'sqlite' || !existsSync(database.file)) return
      const handle = new Database(database.file)
      try {
        handle.exec('pragma wal_checkpoint(truncate)')
      } catch (failure) {
        if (!/busy|locked/i.test(String((failure as { code?: unknown }).code))) throw failure
      } finally {
        handle.close()
      }
    },
  }
}
