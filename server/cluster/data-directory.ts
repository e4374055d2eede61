/**
 * The data directory belongs to one primary at a time, with any Redis: two would migrate one database and both
 * believe that they supervise the machine.
 *
 * The lock is that of an SQLite file, which the kernel drops at the moment the process ends, however it ends: there
 * is no stale lock to take over, so two starts cannot both take it over. It is portable, too, which flock is not.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import Database from 'libsql'
import { ConfigurationError } from '../../shared/errors.ts'
import type { Service } from '../../shared/lifecycle.ts'

/** Makes the directory, private to this user, and holds it until `stop`. */
export function createDataDirectory(directory: string): Service {
  const ownerFile = path.join(directory, 'primary.pid')
  let lock: Database.Database | null = null

  return {
    async start() {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        await chmod(directory, 0o700)
        lock = takeLock(path.join(directory, 'primary.lock'))
        if (lock) await writeFile(ownerFile, `${process.pid}\n`, { mode: 0o600 })
      } catch (cause) {
        throw unusable(directory, cause)
      }
      if (!lock) throw inUse(directory, await readFile(ownerFile, 'utf8').catch(() => ''))
    },
    async stop() {
      lock?.close()
      lock = null
    },
  }
}

/** Null when another process has it. */
function takeLock(file: string): Database.Database | null {
  const lock = new Database(file, { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (failure) {
    lock.close()
    if ((failure as { code?: unknown }).code === 'SQLITE_BUSY') return null
    throw failure
  }
}

function inUse(directory: string, owner: string): ConfigurationError {
  const pid = /^\d+/.exec(owner)?.[0]
  return new ConfigurationError([
    `DATA_DIR=${directory} is in use by another primary${pid ? ` (process ${pid})` : ''}. ` +
      `Stop that one, or give this one a directory of its own, such as DATA_DIR=${directory}-2.`,
  ])
}

function unusable(directory: string, cause: unknown): ConfigurationError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ConfigurationError([
    `DATA_DIR=${directory} can't be used: ${reason}. Name a directory that this user may write to.`,
  ])
}
