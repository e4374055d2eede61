/**
 * Whether a process that says nothing still gets on, as far as the system can tell from outside. An event loop that is
 * overloaded reads and writes; one that is stuck in a computation does neither. And one that hardly gets the CPU can't
 * be judged at all. Null where there is no /proc.
 */
import { readFile } from 'node:fs/promises'

/** What the main thread has done so far. */
export interface Progress {
  /** Reads and writes that it asked the system for. */
  readonly calls: number
  readonly ranMs: number
  /** How long it could have run and the CPU was not free. */
  readonly waitedMs: number
}

export async function readProgress(pid: number): Promise<Progress | null> {
  const read = (name: string) => readFile(`/proc/${pid}/task/${pid}/${name}`, 'utf8').catch(() => '')
  const [io, schedule] = await Promise.all([read('io'), read('schedstat')])
  const reads = /^syscr: (\d+)$/m.exec(io)?.[1]
  const writes = /^syscw: (\d+)$/m.exec(io)?.[1]
  if (reads === undefined || writes === undefined) return null
  const [ran = 0, waited = 0] = schedule.split(' ').map((nanoseconds) => Number(nanoseconds) / 1e6)
  return { calls: Number(reads) + Number(writes), ranMs: ran, waitedMs: waited }
}

/** The stall watch, which asks a stuck thread for its stack, makes a few by itself. */
const fewestCalls = 20

/** Who ran for so long and asked the system for nothing is stuck, however long it waited for the CPU in between. */
const enoughMs = 1_000

/** What kept a silent process from saying anything, when it is no hang. */
export function whyAlive(before: Progress | null, now: Progress | null): 'overloaded' | 'starved' | null {
  if (before === null || now === null) return null
  if (now.calls - before.calls >= fewestCalls) return 'overloaded'
  const ranMs = now.ranMs - before.ranMs
  return ranMs < enoughMs && now.waitedMs - before.waitedMs > ranMs ? 'starved' : null
}
