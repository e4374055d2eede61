/**
 * The composition of this part: the authority in Redis and the cache in front of it, both in a coherence domain that
 * makes a revocation true everywhere.
 */
import type { Redis } from 'ioredis'
import { systemClock, type Clock } from '../kernel/clock.ts'
import { Unavailable } from '../kernel/errors.ts'
import type { Deadline, Service } from '../kernel/lifecycle.ts'
import { freshValue, type Coherence, type ConfirmOptions, type Recorded } from '../coherence/index.ts'
import { coherentCache } from './cache/coherent-cache.ts'
import { memoryCache } from './cache/memory-cache.ts'
import { noCache } from './cache/no-cache.ts'
import { redisCache } from './cache/redis-cache.ts'
import type { SessionCache } from './cache/session-cache.ts'
import { createSessionMemory } from './cache/session-memory.ts'
import { reportTouches } from './cache/touch-reports.ts'
import { createSessionScripts, type Loaded } from './scripts.ts'
import type { Identity, Revocation, Sessions } from './sessions.ts'
import { hashToken, isWellFormedToken, newSessionId, newToken } from './token.ts'

export type SessionCacheMode = 'coherent' | 'redis' | 'memory' | 'none'

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
  readonly clock?: Clock
  /** A session in Redis is not what we would have written; it counts as absent. Given the hash of its token. */
  readonly onCorrupt?: (hash: string) => void
  /**
   * Called with each invalidation, the cache having dropped what it names. Nothing is acknowledged before it resolves:
   * what must not outlive a session (an open stream) ends here.
   */
  readonly onInvalidated?: (ended: Invalidated) => void | Promise<void>
}

/** Whose sessions may have ended: one session's (by the hash of its token), one user's, or anybody's. */
export type Invalidated =
  { readonly session: string } | { readonly user: string } | { readonly everybody: true }

export interface SessionService extends Sessions, Service {
  readonly cacheMode: SessionCacheMode
  /** Changes the cache while running: nothing that the old one held is used afterwards. */
  setCacheMode(mode: SessionCacheMode): void
  /** Ends every session of everybody. */
  endAll(): Promise<void>
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
  const scripts = createSessionScripts(redis, {
    keys: coherence.keys,
    durability: coherence.durability,
    position: coherence.position,
    idleMs: options.idleMs,
    touchEveryMs: Math.floor(touchEveryMs),
    longestMs: Math.max(options.absoluteMs, options.rememberAbsoluteMs),
    maxPerUser: options.maxPerUser,
    ...(options.mostDataBytes === undefined ? {} : { mostDataBytes: options.mostDataBytes }),
  })
  const counters: SessionCounters = {
    hits: 0,
    loads: 0,
    fillsRefused: 0,
    corrupt: 0,
    revoked: 0,
    unconfirmed: 0,
  }

  const memory = createSessionMemory({
    clock,
    maxEntries: options.maxEntries ?? defaultMaxEntries,
    maxAgeMs,
    touchEveryMs,
  })
  const touches = reportTouches({
    memory,
    touch: scripts.touch,
    clock,
    everyMs: Math.min(1_000, touchEveryMs / 2),
  })

  const caches: Record<SessionCacheMode, SessionCache> = {
    coherent: coherentCache(memory, {
      leaseOk: coherence.leaseOk,
      mayFill: coherence.mayFill,
      refused: () => counters.fillsRefused++,
    }),
    redis: redisCache((token) => loadIdentity(token)),
    memory: memoryCache(memory, clock),
    none: noCache,
  }
  let mode = options.cache
  let cache = caches[mode]

  /** The cache has dropped it, or will have: then those are told who depend on it. */
  function invalidated(dropped: void | Promise<void>, ended: Invalidated): void | Promise<void> {
    return dropped instanceof Promise ? dropped.then(() => onInvalidated(ended)) : onInvalidated(ended)
  }
  const refresh = () => invalidated(cache.clear(), { everybody: true })
  coherence.follow('session', {
    apply: (hash) => invalidated(cache.invalidate(hash), { session: hash }),
    refresh,
  })
  coherence.follow('user', {
    apply: (userId) => invalidated(cache.invalidateByUser(userId), { user: userId }),
    refresh,
  })

  async function load(token: string, withData: boolean): Promise<Extract<Loaded, { state: 'valid' }> | null> {
    // Not before the cache was asked: it holds none of these.
    if (!isWellFormedToken(token)) return null
    const hash = hashToken(token)
    counters.loads++
    const asked = { askedAt: clock.mono(), askedAtWall: clock.wall() }
    const loaded = await ask(() => onceMore(() => scripts.load(hash, withData)))
    coherence.saw(loaded)
    if (!(await coherence.believes(loaded.inc))) throw new Unavailable('redis')
    if (loaded.state === 'corrupt') {
      counters.corrupt++
      options.onCorrupt?.(hash)
    }
    if (loaded.state !== 'valid') return null
    cache.set({ token, hash, ...asked, ...loaded })
    return loaded
  }

  async function loadIdentity(token: string): Promise<Identity | null> {
    return (await load(token, false))?.identity ?? null
  }

  /** Records and confirms a revocation; `drop` is what this worker forgets at once, without waiting for the message. */
  async function revoke(
    record: () => Promise<Recorded>,
    drop: () => void | Promise<void>,
    confirmOptions?: ConfirmOptions,
  ): Promise<Revocation> {
    const ended = await coherence.confirm(async () => {
      const recorded = await record()
      await drop()
      return recorded
    }, confirmOptions)
    if (!ended.confirmed) {
      counters.unconfirmed++
      return { outcome: 'unconfirmed', cause: ended.cause }
    }
    counters.revoked += ended.recorded.count
    return ended.recorded.count > 0
      ? { outcome: 'revoked', count: ended.recorded.count }
      : { outcome: 'gone' }
  }

  const dropUser = (userId: string) => () => cache.invalidateByUser(userId)

  return {
    async start() {
      await touches.start()
    },
    async stop(deadline: Deadline) {
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

    async peek(token) {
      if (!isWellFormedToken(token)) return null
      const found = await ask(() => onceMore(() => scripts.load(hashToken(token), false, false)))
      coherence.saw(found)
      return found.state === 'valid' ? { identity: found.identity, leftMs: found.ttlMs } : null
    },

    prepareLogin: (userId) => ask(() => scripts.prepare(userId)),

    async create(ticket, { subject, remember = false, device = {}, endOthers = false }) {
      const token = newToken()
      const hash = hashToken(token)
      const created = await ask(() =>
        scripts.create({
          hash,
          sessionId: newSessionId(),
          ticket,
          subject,
          device,
          remember,
          absoluteMs: remember ? options.rememberAbsoluteMs : options.absoluteMs,
          endOthers,
        }),
      )
      coherence.saw(created)
      if (created.outcome !== 'created') return { outcome: created.outcome }
      if (!created.announced) return { outcome: 'created', token, identity: created.identity }
      // The login ended other sessions, or brought newer roles: as true everywhere as any revocation.
      const dropped = await revoke(
        firstThen(created, () => scripts.announceUser(subject.id)),
        dropUser(subject.id),
        { nothingEnded: created.count === 0 },
      )
      if (dropped.outcome === 'unconfirmed') {
        void scripts.revokeSession(hash).catch(() => {})
        return dropped
      }
      if (!(await ask(async () => coherence.keeps(created.inc)))) throw new Unavailable('redis')
      return { outcome: 'created', token, identity: created.identity }
    },

    async loadData(token) {
      const loaded = await load(token, true)
      return loaded && { identity: loaded.identity, data: loaded.data }
    },
    saveData: (token, changes) => ask(() => scripts.save(hashToken(token), { data: changes })),
    async relabel(token, label) {
      const hash = hashToken(token)
      const outcome = await ask(() => scripts.save(hash, { label }))
      if (outcome !== 'saved') return 'gone'
      const told = await coherence.confirm(() => scripts.announceSession(hash), { nothingEnded: true })
      if (!told.confirmed) throw new Unavailable('redis', { cause: told.cause })
      return 'saved'
    },

    async list(userId, { most = Number.MAX_SAFE_INTEGER } = {}) {
      const found = await ask(() => scripts.list(userId, most))
      return found.map(({ identity }) => identity.session).sort((a, b) => b.createdAt - a.createdAt)
    },

    async revoke(token) {
      if (!isWellFormedToken(token)) return { outcome: 'gone' }
      const hash = hashToken(token)
      return revoke(
        () => scripts.revokeSession(hash),
        () => cache.invalidate(hash),
      )
    },
    revokeById: (userId, sessionId) => revoke(() => scripts.revokeById(userId, sessionId), dropUser(userId)),
    revokeUser(userId, { keep } = {}) {
      const request = freshValue()
      const kept = keep === undefined ? undefined : { hash: hashToken(keep), become: hashToken(keep) }
      return revoke(() => scripts.revokeUser(userId, request, kept), dropUser(userId))
    },
    async rotateAndRevokeOthers(userId, token) {
      const request = freshValue()
      const fresh = newToken()
      const rename = { hash: hashToken(token), become: hashToken(fresh) }
      let kept: Identity | undefined
      const others = await revoke(async () => {
        const recorded = await scripts.revokeUser(userId, request, rename)
        kept = recorded.kept?.identity
        return recorded
      }, dropUser(userId))
      if (others.outcome === 'unconfirmed') return others
      return kept ? { outcome: 'rotated', token: fresh, identity: kept } : { outcome: 'gone' }
    },
    async updateSubject(subject, { disabled }) {
      const request = freshValue()
      let knownVersion = subject.version
      const updated = await revoke(async () => {
        const recorded = await scripts.updateSubject(subject, disabled, request)
        knownVersion = recorded.knownVersion
        return recorded
      }, dropUser(subject.id))
      if (knownVersion === subject.version || updated.outcome === 'unconfirmed') return updated
      return { outcome: 'ignored', count: updated.outcome === 'revoked' ? updated.count : 0, knownVersion }
    },

    get cacheMode() {
      return mode
    },
    setCacheMode(next) {
      if (next === mode) return
      void cache.clear()
      mode = next
      cache = caches[next]
      void cache.clear()
    },
    endAll: coherence.beginEpoch,
    counters,
    cachedSessions: () => memory.size,
  }
}

/** Redis can't be asked: that is never an answer about a session. */
async function ask<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    throw new Unavailable('redis', { cause })
  }
}

/** A question cut off with its connection is asked again once; one that took too long is not. */
async function onceMore<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    if (!(cause instanceof Error) || !/connection is closed/i.test(cause.message)) throw cause
    return question()
  }
}

/** Answers with `first`, and afterwards with what `next` answers. */
function firstThen<T>(first: T, next: () => Promise<T>): () => Promise<T> {
  let told = false
  return async () => {
    if (told) return next()
    told = true
    return first
  }
}
