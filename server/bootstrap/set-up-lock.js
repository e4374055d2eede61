/**
 * One process at a time installs and builds in a checkout.
 *
 * The lock is a directory that holds one file, named for its owner. It is taken by renaming a directory that
 * already holds that file onto it, which fails while another's is in it: so there is never a lock without an
 * owner. The lock of an owner that is gone is opened by removing that owner's file, by its name: anyone who comes
 * second finds it gone, and cannot remove the file of a new owner.
 */
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** The owner touches its file this often, and is taken for dead when it has not for so long. */
const heartbeatMs = 1_000
const silenceMs = 15_000

/**
 * Runs the work while no other process of this checkout runs any.
 *
 * @param {string} root
 * @param {() => Promise<void>} work
 */
export async function withSetUpLock(root, work) {
  const lock = join(root, '.lockstep-set-up')
  const owner = `${process.pid}-${randomBytes(4).toString('hex')}`
  await take(lock, owner)
  const file = join(lock, owner)
  const heartbeat = setInterval(() => touch(file), heartbeatMs)
  try {
    await work()
  } finally {
    clearInterval(heartbeat)
    release(lock, file)
  }
}

/**
 * @param {string} lock
 * @param {string} owner
 */
async function take(lock, owner) {
  const draft = `${lock}-${owner}`
  mkdirSync(draft)
  writeFileSync(join(draft, owner), '')
  try {
    for (let told = false; !moveOnto(draft, lock);) {
      const holder = livingHolder(lock)
      if (holder && !told) {
        console.error(`Waiting for process ${holder.split('-')[0]}, which installs or builds here ...`)
        told = true
      }
      await pause(100)
      touch(join(draft, owner))
    }
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/**
 * @param {string} draft
 * @param {string} lock
 */
function moveOnto(draft, lock) {
  try {
    renameSync(draft, lock)
    return true
  } catch (failure) {
    if (['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(codeOf(failure))) return false
    throw failure
  }
}

/**
 * Who has the lock; null when no one has, also because its owner was found dead and its file was removed.
 *
 * @param {string} lock
 */
function livingHolder(lock) {
  try {
    const [holder] = readdirSync(lock)
    if (!holder) return null
    const file = join(lock, holder)
    const silentMs = Date.now() - statSync(file).mtimeMs
    if (silentMs < silenceMs && isAlive(Number.parseInt(holder))) return holder
    rmSync(file, { force: true })
  } catch (failure) {
    if (codeOf(failure) !== 'ENOENT') throw failure
  }
  return null
}

/**
 * Whether another process has this id: a lock with our own is left from a container's earlier life.
 *
 * @param {number} pid
 */
function isAlive(pid) {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (failure) {
    return codeOf(failure) === 'EPERM'
  }
}

/** @param {string} file */
function touch(file) {
  try {
    utimesSync(file, new Date(), new Date())
  } catch {
    // Taken from us, after a long sleep of this machine.
  }
}

/**
 * @param {string} lock
 * @param {string} file
 */
function release(lock, file) {
  rmSync(file, { force: true })
  try {
    rmdirSync(lock)
  } catch {
    // The next one has it already.
  }
}

/** @param {unknown} failure */
function codeOf(failure) {
  return /** @type {NodeJS.ErrnoException} */ (failure).code ?? ''
}
