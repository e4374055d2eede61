/**
 * The composition of this part: the authority in Redis, the cache in front of it, this worker's membership of the
 * coherence domain, and the revoker that makes a revocation true everywhere.
 */
import type { Redis } from 'ioredis'
import { systemClock, type Clock } from '../kernel/clock.ts'
import { Unavailable } from '../kernel/errors.ts'
import type { Deadline, Service } from '../kernel/lifecycle.ts'
import { coherentCache } from './cache/coherent-cache.ts'
import { memoryCache } from './cache/memory-cache.ts'
import { noCache } from './cache/no-cache.ts'
import { redisCache } from './cache/redis-cache.ts'
import type { SessionCache } from './cache/session-cache.ts'
import { createSessionMemory } from './cache/session-memory.ts'
import { reportTouches } from './cache/touch-reports.ts'
import { joinCoherence, type CoherenceCounters, type Follower } from '../coherence/membership.ts'
import { watchIncarnation } from '../coherence/incarnation-watch.ts'
import { createRevoker, type ConfirmOptions, type Waited } from '../coherence/revoker.ts'
import { maximumLeaseMs } from '../coherence/constants.ts'
import { sessionKeys } from './keys.ts'
import { createSessionScripts, type DurabilityMode, type Loaded, type Recorded } from './scripts.ts'
import type { Identity, Revocation, Sessions } from './sessions.ts'
import { freshValue, hashToken, isWellFormedToken, newSessionId, newToken } from './token.ts'

export type SessionCacheMode = 'coherent' | 'redis' | 'memory' | 'none'

export interface SessionOptions {
  /** A connection for short commands, with a command timeout. */
  readonly redis: Redis
  /** A connection for pub/sub alone. */
  readonly subscriber: Redis
  readonly cache: SessionCacheMode
  readonly durability: DurabilityMode
  readonly idleMs: number
  readonly absoluteMs: number
  readonly rememberAbsoluteMs: number
  readonly maxPerUser: number
  /** The longest that a hung worker can delay a revocation; at most `maximumLeaseMs`. */
  readonly leaseMs: number
  /** Applications that share a Redis use different names. */
  readonly domain?: string
  /** What this worker is called on its host, for those who look at the members; its process id otherwise. */
  readonly place?: string
  /** Bound of the sessions held in this worker's memory. */
  readonly maxEntries?: number
  readonly clock?: Clock
  /** A session in Redis is not what we would have written; it counts as absent. Given the hash of its token. */
  readonly onCorrupt?: (hash: string) => void
  readonly onWaited?: (waited: Waited) => void
}

export interface SessionService extends Sessions, Service {
  /** Which member of the coherence domain this worker is. */
  readonly memberId: string
  readonly cacheMode: SessionCacheMode
  /** Changes the cache while running: nothing that the old one held is used afterwards. */
  setCacheMode(mode: SessionCacheMode): void
  /** Ends every session of everybody. */
  endAll(): Promise<void>
  /**
   * Tells every worker something of another kind, in the order and with the certainty of a revocation. Throws
   * `Unavailable` when that can't be confirmed.
   */
  announce(kind: string, text: string): Promise<void>
  follow(kind: string, follower: Follower): void
  readonly counters: Readonly<SessionCounters>
  readonly coherence: Readonly<CoherenceCounters>
  state(): { readonly leaseLeftMs: number; readonly cachedSessions: number }
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
  const { redis, subscriber, clock = systemClock, leaseMs } = options
  // A revoker waits no longer than that: a member that believed a longer lease would accept what is revoked.
  if (!(leaseMs > 0 && leaseMs <= maximumLeaseMs)) {
    throw new RangeError(`leaseMs must be above 0 and at most ${maximumLeaseMs}: ${leaseMs}`)
  }
  const keys = sessionKeys(options.domain)
  const touchEveryMs = Math.min(60_000, options.idleMs / 10)
  const scripts = createSessionScripts(redis, {
    keys,
    durability: options.durability,
    idleMs: options.idleMs,
    touchEveryMs: Math.floor(touchEveryMs),
    longestMs: Math.max(options.absoluteMs, options.rememberAbsoluteMs),
    maxPerUser: options.maxPerUser,
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
  const incarnations = watchIncarnation(clock, (inc) => coherence.noticed(inc))
  const leaseFor = (mode: SessionCacheMode) => (mode === 'coherent' ? leaseMs : 0)
  const coherence = joinCoherence({
    scripts,
    subscriber,
    channel: keys.channel,
    place: options.place,
    clock,
    incarnations,
    leaseMs: leaseFor(options.cache),
    idleSyncMs: leaseMs,
    memory,
  })
  const revoker = createRevoker({
    clock,
    incarnations,
    acks: scripts.acks,
    expel: scripts.expel,
    onWaited: options.onWaited,
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

  async function load(token: string, withData: boolean): Promise<Extract<Loaded, { state: 'valid' }> | null> {
    // Not before the cache was asked: it holds none of these.
    if (!isWellFormedToken(token)) return null
    const hash = hashToken(token)
    counters.loads++
    const askedAt = clock.mono()
    const loaded = await ask(() => onceMore(() => scripts.load(hash, withData)))
    incarnations.saw(loaded.inc)
    if (loaded.state === 'corrupt') {
      counters.corrupt++
      options.onCorrupt?.(hash)
    }
    if (loaded.state !== 'valid') return null
    cache.set({ token, hash, askedAt, ...loaded })
    return loaded
  }

  async function loadIdentity(token: string): Promise<Identity | null> {
    return (await load(token, false))?.identity ?? null
  }

  /** Records and confirms a revocation; `drop` is what this worker forgets at once, without waiting for the message. */
  async function revoke(
    record: () => Promise<Recorded>,
    drop: () => void,
    confirmOptions?: ConfirmOptions,
  ): Promise<Revocation> {
    const ended = await revoker.confirm(async () => {
      const recorded = await record()
      drop()
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
      await coherence.start()
      await touches.start()
    },
    async stop(deadline: Deadline) {
      await touches.stop(deadline)
      await coherence.stop(deadline)
    },

    authenticate(token) {
      const held = cache.get(token)
      if (held === undefined) return loadIdentity(token)
      if (!(held instanceof Promise)) counters.hits++
      return held
    },

    stillValid(token) {
      const held = cache.get(token)
      if (held === undefined) return loadIdentity(token).then((identity) => identity !== null)
      return held instanceof Promise ? held.then((identity) => identity !== null) : held !== null
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
      incarnations.saw(created.inc)
      if (created.outcome !== 'created') return { outcome: created.outcome }
      // The login ended other sessions, or brought newer roles: as true everywhere as any revocation.
      const dropped = await revoke(
        firstThen(created, () => scripts.announce('user', subject.id)),
        dropUser(subject.id),
        { nothingEnded: created.count === 0 },
      )
      if (dropped.outcome === 'unconfirmed') {
        void scripts.revokeSession(hash).catch(() => {})
        return dropped
      }
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
      cache.invalidate(hash)
      return outcome
    },

    async list(userId) {
      const found = await ask(() => scripts.list(userId))
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
      const generation = freshValue()
      const kept = keep === undefined ? undefined : { hash: hashToken(keep), become: hashToken(keep) }
      return revoke(() => scripts.revokeUser(userId, generation, kept), dropUser(userId))
    },
    async rotateAndRevokeOthers(userId, token) {
      const generation = freshValue()
      const fresh = newToken()
      const rename = { hash: hashToken(token), become: hashToken(fresh) }
      let kept: Identity | undefined
      const others = await revoke(async () => {
        const recorded = await scripts.revokeUser(userId, generation, rename)
        kept = recorded.kept?.identity
        return recorded
      }, dropUser(userId))
      if (others.outcome === 'unconfirmed') return others
      return kept ? { outcome: 'rotated', token: fresh, identity: kept } : { outcome: 'gone' }
    },
    updateSubject(subject, { disabled }) {
      const fresh = freshValue()
      return revoke(() => scripts.updateSubject(subject, disabled, fresh), dropUser(subject.id))
    },

    memberId: coherence.memberId,
    get cacheMode() {
      return mode
    },
    setCacheMode(next) {
      if (next === mode) return
      cache.clear()
      mode = next
      cache = caches[next]
      coherence.setLease(leaseFor(next))
      cache.clear()
    },
    endAll: () => ask(() => scripts.fence()),
    async announce(kind, text) {
      const told = await revoker.confirm(() => scripts.announce(kind, text), { everyone: true })
      if (!told.confirmed) throw new Unavailable('redis', { cause: told.cause })
    },
    follow: coherence.follow,
    counters,
    coherence: coherence.counters,
    state: () => ({ leaseLeftMs: coherence.leaseLeftMs(), cachedSessions: memory.size }),
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
