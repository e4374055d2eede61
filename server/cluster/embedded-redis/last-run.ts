/**
 * What the last run left in the data directory, and whether its acknowledged writes are all there.
 *
 * The file that Redis appends to survives the death of Redis and of everything else that runs: what was
 * acknowledged is in the kernel's hands. It does not survive the death of the kernel: the last second before a
 * power cut is lost. So a run that never said that it ended cleanly, on a boot of the machine that is over, may
 * have lost writes, and a logout may be among them.
 */
import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

export interface SocketPlace {
  readonly socketPath: string
  /** The directory that was made for it alone; null when it lies in the data directory. */
  readonly socketDirectory: string | null
}

export interface LastRun extends SocketPlace {
  /** The boot of the machine that it ran on; null where the system does not tell boots apart. */
  readonly bootId: string | null
  readonly ended: 'cleanly' | 'not yet'
  /** Writes were lost then or earlier, and no one has dealt with it. */
  readonly lossPending: boolean
}

const fileName = 'last-run.json'

/** The record of the last run; null when there is none, or none that can be read. */
export async function readLastRun(directory: string): Promise<LastRun | null> {
  try {
    const record: unknown = JSON.parse(await readFile(join(directory, fileName), 'utf8'))
    return isLastRun(record) ? record : null
  } catch {
    return null
  }
}

/** Replaces the record; on the disk itself when this resolves. Of several at once one stays, whole. */
export async function writeLastRun(directory: string, record: LastRun): Promise<void> {
  const draft = join(directory, `${fileName}.${randomUUID()}.new`)
  try {
    await writeToDisk(draft, JSON.stringify(record))
    await rename(draft, join(directory, fileName))
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => {})
    throw cause
  }
  await syncDirectory(directory)
}

/** Whether writes that were acknowledged in the last run, or before it, may be missing now. */
export function mayHaveLostWrites(last: LastRun, bootId: string | null): boolean {
  if (last.lossPending) return true
  if (last.ended === 'cleanly') return false
  return bootId === null || last.bootId !== bootId
}

/** Names the present boot of this machine; null where nothing tells. */
export async function currentBootId(): Promise<string | null> {
  const id = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  return id.trim() || null
}

function isLastRun(value: unknown): value is LastRun {
  if (typeof value !== 'object' || value === null) return false
  const { bootId, ended, lossPending, socketPath, socketDirectory } = value as Partial<
    Record<keyof LastRun, unknown>
  >
  return (
    (bootId === null || typeof bootId === 'string') &&
    (ended === 'cleanly' || ended === 'not yet') &&
    typeof lossPending === 'boolean' &&
    typeof socketPath === 'string' &&
    (socketDirectory === null || typeof socketDirectory === 'string')
  )
}

async function writeToDisk(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
