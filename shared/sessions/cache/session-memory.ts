/**
 * Sessions in the memory of one worker: a bounded map by token, with the two other ways to find an entry that
 * invalidations need. Knows nothing of when an entry may be trusted; `memory` and `coherent` decide that.
 *
 * Keyed by the token as the client sends it, so that a hit hashes nothing. The token is in this process' memory
 * anyway while its request is served; it never leaves it.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../kernel/clock.ts'
import type { Identity } from '../sessions.ts'
import type { Fill } from './session-cache.ts'

interface Entry {
  readonly token: string
  readonly hash: string
  readonly identity: Identity
  /** No later than this, whatever its use (monotonic ms). */
  readonly staleAt: number
  /** The session ends then unless it is used (monotonic ms). */
  expiresAt: number
  /** The same on the wall clock, whichever is over first: the monotonic one may stand still during a suspension. */
  expiresAtWall: number
  /** Its use is to be reported from then on; Infinity while a report is under way. */
  touchAt: number
}

export interface MemoryOptions {
  readonly clock: Clock
  readonly maxEntries: number
  /** An entry is asked for again after this time even if nothing happened. */
  readonly maxAgeMs: number
  /** The use of a session is reported at most once in this time. */
  readonly touchEveryMs: number
}

/** Use of a session that the authority has not heard of yet. */
export interface DueTouch {
  readonly hash: string
  /** The authority's answer: ms left when it was asked, or 0 when the session is gone. */
  done(asked: Pick<Fill, 'askedAt' | 'askedAtWall'>, ttlMs: number): void
  /** It could not be asked: the next use reports again. */
  failed(): void
}

export type SessionMemory = ReturnType<typeof createSessionMemory>

export function createSessionMemory({ clock, maxEntries, maxAgeMs, touchEveryMs }: MemoryOptions) {
  const byHash = new Map<string, Entry>()
  const byUser = new Map<string, Set<Entry>>()
  const due = new Set<Entry>()
  const entries = new LRUCache<string, Entry>({ max: maxEntries, dispose: forget })

  function forget(entry: Entry): void {
    due.delete(entry)
    if (byHash.get(entry.hash) === entry) byHash.delete(entry.hash)
    const siblings = byUser.get(entry.identity.user.id)
    siblings?.delete(entry)
    if (siblings?.size === 0) byUser.delete(entry.identity.user.id)
  }

  return {
    get size() {
      return entries.size
    },

    get(token: string): Identity | undefined {
      const entry = entries.get(token)
      if (entry === undefined) return undefined
      const now = clock.mono()
      if (now >= entry.expiresAt || now >= entry.staleAt || clock.wall() >= entry.expiresAtWall) {
        entries.delete(token)
        return undefined
      }
      if (now >= entry.touchAt) {
        entry.touchAt = Infinity
        due.add(entry)
      }
      return entry.identity
    },

    put({ token, hash, identity, askedAt, askedAtWall, ttlMs }: Fill): void {
      const entry: Entry = {
        token,
        hash,
        identity,
        staleAt: askedAt + maxAgeMs,
        expiresAt: askedAt + ttlMs,
        expiresAtWall: askedAtWall + ttlMs,
        touchAt: askedAt + touchEveryMs,
      }
      entries.set(token, entry)
      byHash.set(hash, entry)
      const siblings = byUser.get(identity.user.id)
      if (siblings) siblings.add(entry)
      else byUser.set(identity.user.id, new Set([entry]))
    },

    dropSession(hash: string): void {
      const entry = byHash.get(hash)
      if (entry) entries.delete(entry.token)
    },

    dropUser(userId: string): void {
      for (const entry of byUser.get(userId) ?? []) entries.delete(entry.token)
    },

    clear(): void {
      entries.clear()
    },

    /** Takes the uses that are due to be reported, at most `limit`. */
    takeDueTouches(limit: number): DueTouch[] {
      const taken: DueTouch[] = []
      for (const entry of due) {
        if (taken.length === limit) break
        due.delete(entry)
        taken.push({
          hash: entry.hash,
          done({ askedAt, askedAtWall }, ttlMs) {
            if (ttlMs === 0 && byHash.get(entry.hash) === entry) entries.delete(entry.token)
            entry.expiresAt = askedAt + ttlMs
            entry.expiresAtWall = askedAtWall + ttlMs
            entry.touchAt = askedAt + touchEveryMs
          },
          failed() {
            entry.touchAt = 0
          },
        })
      }
      return taken
    },
  }
}
