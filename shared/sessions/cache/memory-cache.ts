import type { Clock } from '../../kernel/clock.ts'
import type { SessionCache } from './session-cache.ts'
import type { SessionMemory } from './session-memory.ts'

/**
 * Sessions in this process' memory, with no one else to agree with: right only while this is the one process that
 * serves them (with more, a session logged out on worker A would live on in worker B; the configuration refuses it).
 */
export function memoryCache(memory: SessionMemory, clock: Clock): SessionCache {
  // An answer asked for before an invalidation may describe the time before it, so it is not kept.
  let lastInvalidation = -Infinity
  const invalidating =
    <Args extends unknown[]>(drop: (...args: Args) => void) =>
    (...args: Args) => {
      lastInvalidation = clock.mono()
      drop(...args)
    }

  return {
    get: memory.get,
    set: (fill) => {
      if (fill.askedAt > lastInvalidation) memory.put(fill)
    },
    invalidate: invalidating(memory.dropSession),
    invalidateByUser: invalidating(memory.dropUser),
    clear: invalidating(memory.clear),
  }
}
