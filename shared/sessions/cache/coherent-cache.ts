import type { Stamp } from '../../coherence/index.ts'
import type { SessionCache } from './session-cache.ts'
import type { SessionMemory } from './session-memory.ts'

/** What makes a worker's memory trustworthy; see shared/coherence. */
export interface Guard {
  /** May this worker decide from its memory at this very moment? */
  leaseOk(): boolean
  /** Has nothing been invalidated since the authority gave this answer? */
  mayFill(stamp: Stamp): boolean
  /** Told of each answer that was not kept. */
  refused?(): void
}

/**
 * Sessions at memory speed that are true everywhere: a hit counts only under the lease, and an answer is kept
 * only if no invalidation came in between. Both are judged at the moment of use, synchronously.
 */
export function coherentCache(memory: SessionMemory, guard: Guard): SessionCache {
  return {
    get: (token) => (guard.leaseOk() ? memory.get(token) : undefined),
    set: (fill) => {
      if (guard.mayFill(fill)) memory.put(fill)
      else guard.refused?.()
    },
    invalidate: memory.dropSession,
    invalidateByUser: memory.dropUser,
    clear: memory.clear,
  }
}
