/**
 * The data directory belongs to one primary at a time, with any Redis: two would migrate one database and both
 * believe that they supervise the machine.
 *
 * The lock is that of an SQLite file, which the kernel drops at the moment the process ends, however it ends: there
 * is no stale lock to take over, so two starts cannot both take it over. It is portable, too, which flock is not.
 *
 * Whoever may write to the directory could put a socket or a database of their own in it, so others must not. One that is
 * empty or was used before is closed to them. What they may only read, and holds something else, is left as it is: each
 * secret of ours in it is closed by itself.
 */
import { closeSync, openSync } from 'node:fs'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import Database from 'libsql'
import { ConfigurationError, messageOf } from '../../../shared/kernel/errors.ts'
import { makeDirectory } from '../../../shared/kernel/make-directory.ts'
import type { Service } from '../../../shared/kernel/lifecycle.ts'

/** Which has no such permissions. */
const isWindows = process.platform === 'win32'
const writableByOthers = 0o022
const sticky = 0o1000
/** Whose presence says that the directory was ours before. */
const lockName = 'primary.lock'

/** Makes the directory, private to this user, or takes one that only this user may write to; holds it until `stop`. */
export function createDataDirectory(directory: string): Service {
  const ownerFile = path.join(directory, 'primary.pid')
  let lock: Database.Database | null = null

  return {
    async start() {
      try {
        const made = makeDirectory(directory, 0o700)
        if (made === undefined) {
          const objection = await objectionTo(directory)
          if (objection !== null) throw new ConfigurationError([objection])
          if (!isWindows && (await isOurs(directory))) await chmod(directory, 0o700)
        }
        lock = takeLock(path.join(directory, lockName))
        if (lock) await writeFile(ownerFile, `${process.pid}\n`, { mode: 0o600 })
      } catch (cause) {
        throw cause instanceof ConfigurationError ? cause : unusable(directory, cause)
      }
      if (!lock) throw inUse(directory, await readFile(ownerFile, 'utf8').catch(() => ''))
    },
    async stop() {
      lock?.close()
      lock = null
    },
  }
}

/** Why a directory that is there already must not be used, with the way out; or null. */
export async function objectionTo(directory: string): Promise<string | null> {
  const objection = isWindows ? null : await whyNotOurs(directory)
  if (objection === null) return null
  return (
    `DATA_DIR=${directory} ${objection}, but holds sessions, accounts and the control of the server. If it is meant ` +
    `for this server alone, give it to its user (chmod 700, chown); otherwise name a directory of its ` +
    `own, such as DATA_DIR=${path.join(directory, 'lockstep')}.`
  )
}

async function whyNotOurs(directory: string): Promise<string | null> {
  const { uid, mode } = await stat(directory)
  if (uid !== process.getuid?.()) return 'belongs to another user'
  if ((mode & writableByOthers) === 0) return null
  // Made for us with a wide umask, mostly. The sticky bit is for directories that everybody shares.
  const mayBeClosed = (mode & sticky) === 0 && (await isOurs(directory))
  return mayBeClosed ? null : 'can be written to by others'
}

/** Nothing is in it, or what a primary left. */
async function isOurs(directory: string): Promise<boolean> {
  const entries = await readdir(directory)
  return entries.length === 0 || entries.includes(lockName)
}

/** Null when another process has it. */
function takeLock(file: string): Database.Database | null {
  // Before SQLite does: whoever may read it could hold it.
  closeSync(openSync(file, 'a', 0o600))
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
  const reason = messageOf(cause)
  return new ConfigurationError([
    `DATA_DIR=${directory} can't be used: ${reason}. Name a directory that this user may write to.`,
  ])
}
