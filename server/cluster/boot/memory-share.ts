/**
 * How much memory each worker may use in a container. Node would size the heap of every worker by all of the
 * container's memory, as if it were alone there: together they grow past the limit, and the system kills whom it likes.
 */
import { groupNumbers, numbersIn, readSystemFile, type ReadSystemFile } from './control-groups.ts'

/** What the primary and the embedded Redis need. */
const reservedBytes = 192 * 1024 ** 2
const leastHeapMb = 64
/** Node's own maximum by default; more makes for long pauses. */
const mostHeapMb = 4096
/** Of a worker's memory; the rest is code, buffers and what native modules hold. */
const heapPart = 0.6

export interface MemoryShare {
  /** For `--max-old-space-size`. */
  readonly heapMb: number
  /** A worker with more is better replaced, before the system ends one by force. */
  readonly rssBytes: number
}

/** Bytes by the tightest of the groups around this process; null without a limit. */
export function memoryLimit(read: ReadSystemFile = readSystemFile): number | null {
  const ofV2 = groupNumbers(read, 'memory.max').map(([limit = Infinity]) => limit)
  const [ofV1 = Infinity] = numbersIn(read('/sys/fs/cgroup/memory/memory.limit_in_bytes'))
  const limit = Math.min(...ofV2, ofV1)
  // The first version writes the largest number there is for no limit.
  return limit < 2 ** 60 ? limit : null
}

/** What each of so many workers gets; null without a limit. */
export function memoryShare(limitBytes: number | null, workers: number): MemoryShare | null {
  if (limitBytes === null) return null
  const rssBytes = Math.max(limitBytes - reservedBytes, limitBytes / 4) / Math.max(1, workers)
  const heapMb = Math.floor((rssBytes * heapPart) / 1024 ** 2)
  return { heapMb: Math.min(mostHeapMb, Math.max(leastHeapMb, heapMb)), rssBytes: Math.round(rssBytes) }
}
