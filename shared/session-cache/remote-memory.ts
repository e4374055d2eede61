/**
 * Remote sessions in the memory of one process: a bounded map by token, with the other ways to find an entry that
 * invalidations need. Knows nothing of when an entry may be trusted.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../kernel/clock.ts'
import type { RemoteSession } from './remote-session.ts'

interface Entry<Data> {
  readonly token: string
  readonly hash: string
  readonly session: RemoteSession<Data>
  /** On both clocks: the monotonic one may stand still while the machine is suspended, the wall clock may be set. */
  readonly staleAt: number
  readonly staleAtWall: number
}

export interface Kept<Data> {
  readonly token: string
  readonly hash: string
  readonly session: RemoteSession<Data>
  /** The clocks before the question was sent, and how long what it was answered counts from then. */
  readonly askedAt: number
  readonly askedAtWall: number
  readonly forMs: number
}

export type RemoteMemory<Data> = ReturnType<typeof createRemoteMemory<Data>>

export function createRemoteMemory<Data>({ clock, maxEntries }: { clock: Clock; maxEntries: number }) {
  const byHash = new Map<string, Entry<Data>>()
  const byUser = new Map<string, Set<Entry<Data>>>()
  const entries = new LRUCache<string, Entry<Data>>({ max: maxEntries, dispose: forget })

  function forget(entry: Entry<Data>): void {
    if (byHash.get(entry.hash) === entry) byHash.delete(entry.hash)
    const siblings = byUser.get(entry.session.userId)
    siblings?.delete(entry)
    if (siblings?.size === 0) byUser.delete(entry.session.userId)
  }

  return {
    get size() {
      return entries.size
    },

    get(token: string): RemoteSession<Data> | undefined {
      const entry = entries.get(token)
      if (entry === undefined) return undefined
      const { expiresAt } = entry.session
      const wall = clock.wall()
      if (
        clock.mono() < entry.staleAt &&
        wall < entry.staleAtWall &&
        (expiresAt === null || wall < expiresAt)
      ) {
        return entry.session
      }
      entries.delete(token)
      return undefined
    },

    put({ token, hash, session, askedAt, askedAtWall, forMs }: Kept<Data>): void {
      const entry = { token, hash, session, staleAt: askedAt + forMs, staleAtWall: askedAtWall + forMs }
      entries.set(token, entry)
      byHash.set(hash, entry)
      const siblings = byUser.get(session.userId)
      if (siblings) siblings.add(entry)
      else byUser.set(session.userId, new Set([entry]))
    },

    dropToken(hash: string): void {
      const entry = byHash.get(hash)
      if (entry) entries.delete(entry.token)
    },
    dropUser(userId: string): void {
      for (const entry of byUser.get(userId) ?? []) entries.delete(entry.token)
    },
    clear(): void {
      entries.clear()
    },
  }
}
