/**
 * The composition of this part: the authority in Redis and the cache in front of it, both in a coherence domain that
 * makes a revocation true everywhere.
 */
import type { Redis } from 'ioredis'
import { systemClock, type Clock } from '../kernel/clock.ts'
import { Unavailable } from '../kernel/errors.ts'
import type { Service } from '../kernel/lifecycle.ts'
import type { Coherence } from '../coherence/index.ts'
import { createAuthority } from './authority.ts'
import type { SessionCacheMode } from './cache/caches.ts'
import { createSessionMemory } from './cache/session-memory.ts'
import { createSwitchableCache } from './cache/switchable-cache.ts'
import { reportTouches } from './cache/touch-reports.ts'
import { followInvalidations, type Invalidated } from './invalidations.ts'
import { createLogins } from './logins.ts'
import { createRevocations } from './revocations.ts'
import { createSessionScripts } from './scripts.ts'
import type { Identity, Sessions } from './sessions.ts'
import type { Standings } from './standings.ts'
import { createStored } from './stores/create-stored.ts'
import { createStoredScripts } from './stores/stored-scripts.ts'
import type { StoredSessions } from './stores/stored-sessions.ts'
import { hashToken } from './token.ts'
import { createTokenSeals } from './token-seals.ts'

export type { SessionCacheMode } from './cache/caches.ts'
export type { Invalidated } from './invalidations.ts'

export interface SessionOptions {
  /** A connection for short commands, with a command timeout. */
  readonly redis: Redis
  /** The domain that all who share these sessions belong to. Started before the sessions, stopped after them. */
  readonly coherence: Coherence
  readonly cache: SessionCacheMode
  readonly idleMs: number
  readonly absoluteMs: number
  readonly rememberAbsoluteMs: number
  readonly maxPerUser: number
  /** Bound of the data that the application keeps in one session, as JSON; 32 KiB. */
  readonly mostDataBytes?: number
  /** Bound of the sessions held in this worker's memory. */
  readonly maxEntries?: number
  /**
   * What new tokens are sealed with where Redis has no key yet: 43 characters of base64url, the same for all. When left
   * out the first login on a new Redis may wait two seconds for one.
   */
  readonly tokenKey?: string
  readonly clock?: Clock
  /** A session in Redis is not what we would have written; it counts as absent. Given the hash of its token. */
  readonly onCorrupt?: (hash: string) => void
  /**
   * Called with each invalidation, the cache having dropped what it names. Nothing is acknowledged before it resolves:
   * what must not outlive a session (an open stream) ends here.
   */
  readonly onInvalidated?: (ended: Invalidated) => void | Promise<void>
}

export interface SessionService extends Sessions, Standings, Service {
  readonly cacheMode: SessionCacheMode
  /** Changes the cache while running: nothing that the old one held is used afterwards. */
  setCacheMode(mode: SessionCacheMode): void
  /** Ends every session of everybody. */
  endAll(): Promise<void>
  /** The sessions of an application's own store; see stores/. */
  readonly stored: StoredSessions
  readonly counters: Readonly<SessionCounters>
  /** Sessions that this worker holds in memory. */
  cachedSessions(): number
}

/** Counters since the start, for metrics. */
export interface SessionCounters {
  /** Answered from the memory of this worker. */
  hits: number
  /** Asked of Redis. */
  loads: number
  fillsRefused: number
  corrupt: number
  revoked: number
  unconfirmed: number
}

const defaultMaxEntries = 100_000
const maxAgeMs = 600_000

export function createSessions(options: SessionOptions): SessionService {
  const { redis, coherence, clock = systemClock, onInvalidated = () => {} } = options
  const touchEveryMs = Math.min(60_000, options.idleMs / 10)
  const settings = {
    keys: coherence.keys,
    durability: coherence.durability,
    position: coherence.position,
    idleMs: options.idleMs,
    absoluteMs: options.absoluteMs,
    touchEveryMs: Math.floor(touchEveryMs),
    longestMs: Math.max(options.absoluteMs, options.rememberAbsoluteMs),
    maxPerUser: options.maxPerUser,
    ...(options.mostDataBytes === undefined ? {} : { mostDataBytes: options.mostDataBytes }),
  }
  const scripts = createSessionScripts(redis, settings)
  const counters = newCounters()
  const onLoad = () => counters.loads++
  const onConfirmed = (count: number) => (counters.revoked += count)
  const onUnconfirmed = () => counters.unconfirmed++
  function onCorrupt(hash: string): void {
    counters.corrupt++
    options.onCorrupt?.(hash)
  }

  const seals = createTokenSeals({ scripts, coherence, proposed: options.tokenKey })
  const authority = createAuthority({ scripts, coherence, seals, clock, onLoad, onCorrupt })
  const { maxEntries = defaultMaxEntries } = options
  const memory = createSessionMemory({ clock, maxEntries, maxAgeMs, touchEveryMs })
  const touches = reportTouches({
    memory,
    touch: scripts.touch,
    clock,
    everyMs: Math.min(1_000, touchEveryMs / 2),
  })
  const cache = createSwitchableCache(options.cache, {
    memory,
    clock,
    guard: {
      leaseOk: coherence.leaseOk,
      mayFill: coherence.mayFill,
      refused: () => counters.fillsRefused++,
    },
    load: loadIdentity,
  })
  followInvalidations(coherence, cache, onInvalidated)
  const revocations = createRevocations({
    scripts,
    coherence,
    seals,
    drop: { session: cache.invalidate, user: cache.invalidateByUser },
    onConfirmed,
    onUnconfirmed,
  })
  const stored = createStored({
    scripts: createStoredScripts(redis, settings),
    coherence,
    drop: cache.invalidate,
    onLoad,
    onCorrupt,
    onConfirmed,
    onUnconfirmed,
  })

  async function load(token: string, withData: boolean) {
    const found = await authority.load(token, withData)
    if (found) cache.set(found)
    return found
  }

  async function loadIdentity(token: string): Promise<Identity | null> {
    return (await load(token, false))?.identity ?? null
  }

  return {
    start: touches.start,
    async stop(deadline) {
      seals.stop()
      await touches.stop(deadline)
      await cache.clear()
    },

    authenticate(token, beforeAsking) {
      const held = cache.get(token)
      if (held === undefined) {
        beforeAsking?.()
        return loadIdentity(token)
      }
      if (!(held instanceof Promise)) counters.hits++
      return held
    },
    stillValid(token) {
      const held = cache.get(token)
      if (held === undefined) return loadIdentity(token).then((identity) => identity !== null)
      return held instanceof Promise ? held.then((identity) => identity !== null) : held !== null
    },
    peek: authority.peek,
    generationOf: authority.generationOf,
    peekSession: authority.peekSession,
    generationStands: authority.generationStands,

    ...createLogins({ authority, revocations, seals, lifetimes: options }),

    async loadData(token) {
      const found = await load(token, true)
      return found && { identity: found.identity, data: found.data }
    },
    saveData: authority.saveData,
    async relabel(token, label) {
      const hash = hashToken(token)
      if ((await authority.relabel(hash, label)) === 'gone') return 'gone'
      const told = await revocations.announceSession(hash)
      if (told.outcome === 'unconfirmed') throw new Unavailable('redis', { cause: told.cause })
      return 'saved'
    },
    list: authority.list,

    revoke: revocations.revoke,
    revokeById: revocations.revokeById,
    revokeUser: revocations.revokeUser,
    rotateAndRevokeOthers: revocations.rotateAndRevokeOthers,
    updateSubject: revocations.updateSubject,

    get cacheMode() {
      return cache.mode
    },
    setCacheMode: cache.switchTo,
    endAll: coherence.beginEpoch,
    stored,
    counters,
    cachedSessions: () => memory.size,
  }
}

function newCounters(): SessionCounters {
  return { hits: 0, loads: 0, fillsRefused: 0, corrupt: 0, revoked: 0, unconfirmed: 0 }
}
