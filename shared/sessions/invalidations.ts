import type { Coherence } from '../coherence/index.ts'
import type { SessionCache } from './cache/session-cache.ts'

/** Whose sessions may have ended: one session's (by the hash of its token), one user's, or anybody's. */
export type Invalidated =
  { readonly session: string } | { readonly user: string } | { readonly everybody: true }

/**
 * Has the cache drop what other workers end, and tells those who depend on it; nothing is acknowledged before both have
 * resolved.
 */
export function followInvalidations(
  coherence: Pick<Coherence, 'follow'>,
  cache: SessionCache,
  onInvalidated: (ended: Invalidated) => void | Promise<void>,
): void {
  /** At once where the cache drops at once, so that no decision comes in between. */
  function then(dropped: void | Promise<void>, ended: Invalidated): void | Promise<void> {
    return dropped instanceof Promise ? dropped.then(() => onInvalidated(ended)) : onInvalidated(ended)
  }

  const refresh = () => then(cache.clear(), { everybody: true })
  coherence.follow('session', {
    apply: (hash) => then(cache.invalidate(hash), { session: hash }),
    refresh,
  })
  coherence.follow('user', {
    apply: (userId) => then(cache.invalidateByUser(userId), { user: userId }),
    refresh,
  })
}
