import { caches, type CacheParts, type SessionCacheMode } from './caches.ts'
import type { SessionCache } from './session-cache.ts'

/** A cache that can be exchanged for another one while it is used. */
export interface SwitchableCache extends SessionCache {
  readonly mode: SessionCacheMode
  /** Nothing that the old one held, or was offered, is used by the new one. */
  switchTo(mode: SessionCacheMode): void
}

export function createSwitchableCache(first: SessionCacheMode, parts: CacheParts): SwitchableCache {
  let mode = first
  let cache = caches[mode](parts)

  return {
    get: (token) => cache.get(token),
    set: (fill) => cache.set(fill),
    invalidate: (hash) => cache.invalidate(hash),
    invalidateByUser: (userId) => cache.invalidateByUser(userId),
    clear: () => cache.clear(),
    get mode() {
      return mode
    },
    switchTo(next) {
      if (next === mode) return
      void cache.clear()
      mode = next
      cache = caches[next](parts)
      void cache.clear()
    },
  }
}
