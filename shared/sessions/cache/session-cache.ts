/**
 * The cache of sessions in front of the authority (Redis), as one worker uses it. One contract, four
 * implementations; `SESSION_CACHE` chooses, and a running worker can change over.
 *
 *  - `coherent`: this worker's memory, under a lease that keeps it true across workers and hosts.
 *  - `redis`: no memory; every look goes straight to the authority.
 *  - `memory`: this worker's memory alone, true only while there is one process.
 *  - `none`: holds nothing, ever.
 */
import type { Stamp } from '../../coherence/index.ts'
import type { Identity } from '../sessions.ts'

/** What the authority answered, with all that decides whether it may be kept. */
export interface Fill extends Stamp {
  readonly token: string
  readonly hash: string
  readonly identity: Identity
  /** Milliseconds that were left of the session when Redis answered. */
  readonly ttlMs: number
  /** Monotonic time before the question was sent: the session lives at most until `askedAt + ttlMs`. */
  readonly askedAt: number
  /** The wall clock at that time: it goes on while the machine is suspended, and so does the session's time in Redis. */
  readonly askedAtWall: number
}

/** An identity; `null`: the authority itself says that there is none; `undefined`: not known here, ask. */
export type Held = Identity | null | undefined

export interface SessionCache {
  /** Never answers with a session that has expired or was invalidated here. Synchronous when it needs no one else. */
  get(token: string): Held | Promise<Identity | null>
  /** Offers what the authority answered; not kept when an invalidation may have come in between. */
  set(fill: Fill): void
  /**
   * Drops one session, named by the hash of its token. Nothing is acknowledged before the invalidations have resolved,
   * so a cache with storage of its own is as true as memory.
   */
  invalidate(hash: string): void | Promise<void>
  invalidateByUser(userId: string): void | Promise<void>
  clear(): void | Promise<void>
}
