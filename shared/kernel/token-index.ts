/**
 * What one process holds for tokens: a bounded map (the least recently used goes first), with the two other ways to find
 * an entry that invalidations need. Knows nothing of when an entry may be trusted.
 *
 * Keyed by the token as the client sends it, so that a hit hashes nothing. The token is in this process' memory anyway
 * while its request is served; it never leaves it.
 */
import { LRUCache } from 'lru-cache'

export interface Indexed {
  readonly token: string
  readonly hash: string
  readonly userId: string
}

export interface TokenIndex<Entry extends Indexed> {
  readonly size: number
  get(token: string): Entry | undefined
  put(entry: Entry): void
  /** Whether this very entry is the one of its token. */
  holds(entry: Entry): boolean
  drop(token: string): void
  dropHash(hash: string): void
  dropUser(userId: string): void
  clear(): void
}

/** `forgotten` is called for each entry that leaves, replaced ones included. */
export function createTokenIndex<Entry extends Indexed>({
  maxEntries,
  forgotten = () => {},
}: {
  maxEntries: number
  forgotten?: (entry: Entry) => void
}): TokenIndex<Entry> {
  const byHash = new Map<string, Entry>()
  const byUser = new Map<string, Set<Entry>>()
  const entries = new LRUCache<string, Entry>({ max: maxEntries, dispose: forget })

  function forget(entry: Entry): void {
    forgotten(entry)
    if (byHash.get(entry.hash) === entry) byHash.delete(entry.hash)
    const siblings = byUser.get(entry.userId)
    siblings?.delete(entry)
    if (siblings?.size === 0) byUser.delete(entry.userId)
  }

  return {
    get size() {
      return entries.size
    },
    get: (token) => entries.get(token),
    put(entry) {
      entries.set(entry.token, entry)
      byHash.set(entry.hash, entry)
      const siblings = byUser.get(entry.userId)
      if (siblings) siblings.add(entry)
      else byUser.set(entry.userId, new Set([entry]))
    },
    holds: (entry) => byHash.get(entry.hash) === entry,
    drop: (token) => void entries.delete(token),
    dropHash(hash) {
      const entry = byHash.get(hash)
      if (entry) entries.delete(entry.token)
    },
    dropUser(userId) {
      for (const entry of byUser.get(userId) ?? []) entries.delete(entry.token)
    },
    clear: () => entries.clear(),
  }
}
