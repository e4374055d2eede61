/**
 * The caches that a worker can use, by the name that `SESSION_CACHE` gives them. Another one is a file of its own and
 * its line here: the contract suite runs on whatever is listed.
 */
import type { Clock } from '../../kernel/clock.ts'
import type { Identity } from '../sessions.ts'
import { coherentCache, type Guard } from './coherent-cache.ts'
import { memoryCache } from './memory-cache.ts'
import { noCache } from './no-cache.ts'
import { redisCache } from './redis-cache.ts'
import type { SessionCache } from './session-cache.ts'
import type { SessionMemory } from './session-memory.ts'

/** What a cache may be made of. */
export interface CacheParts {
  /** This worker's memory; one for all caches, since only one is used at a time. */
  readonly memory: SessionMemory
  readonly guard: Guard
  readonly clock: Clock
  /** Asks the authority. */
  load(token: string): Promise<Identity | null>
}

export const caches = {
  coherent: ({ memory, guard }: CacheParts): SessionCache => coherentCache(memory, guard),
  redis: ({ load }: CacheParts): SessionCache => redisCache(load),
  memory: ({ memory, clock }: CacheParts): SessionCache => memoryCache(memory, clock),
  none: (): SessionCache => noCache,
}

export type SessionCacheMode = keyof typeof caches
