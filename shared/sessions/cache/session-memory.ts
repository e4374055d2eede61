/**
 * Sessions in the memory of one worker, found by token, by session and by user. Knows nothing of when an entry may be
 * trusted; `memory` and `coherent` decide that.
 */
import type { Clock } from '../../kernel/clock.ts'
import { createTokenIndex, type Indexed } from '../../kernel/token-index.ts'
import type { Identity } from '../sessions.ts'
import type { Fill } from './session-cache.ts'

interface Entry extends Indexed {
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
  const due = new Set<Entry>()
  const entries = createTokenIndex<Entry>({ maxEntries, forgotten: (entry) => due.delete(entry) })

  return {
    get size() {
      return entries.size
    },

    get(token: string): Identity | undefined {
      const entry = entries.get(token)
      if (entry === undefined) return undefined
      const now = clock.mono()
      if (now >= entry.expiresAt || now >= entry.staleAt || clock.wall() >= entry.expiresAtWall) {
        entries.drop(token)
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
        userId: identity.user.id,
        identity,
        staleAt: askedAt + maxAgeMs,
        expiresAt: askedAt + ttlMs,
        expiresAtWall: askedAtWall + ttlMs,
        touchAt: askedAt + touchEveryMs,
      }
      entries.put(entry)
    },

    dropSession: entries.dropHash,
    dropUser: entries.dropUser,
    clear: entries.clear,

    /** Takes the uses that are due to be reported, at most `limit`. */
    takeDueTouches(limit: number): DueTouch[] {
      const taken: DueTouch[] = []
      for (const entry of due) {
        if (taken.length === limit) break
        due.delete(entry)
        taken.push({
          hash: entry.hash,
          done({ askedAt, askedAtWall }, ttlMs) {
            if (ttlMs === 0 && entries.holds(entry)) entries.drop(entry.token)
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
