/**
 * The sessions of an application with a server of its own, with a default for everything but the name and the Redis:
 * the authority in Redis, this process' memory in front of it, and the coherence domain that makes a logout true in
 * every process. What the middleware (koa.ts) and the stores are built on.
 */
import { openDomain, type DomainOptions, type DomainService } from '../domain/open-domain.ts'
import { ConfigurationError, NotStarted } from '../kernel/errors.ts'
import { group, type Deadline, type Service } from '../kernel/lifecycle.ts'
import {
  createSessions,
  type Invalidated,
  type SessionCounters,
  type SessionService,
} from './create-sessions.ts'
import type { Sessions } from './sessions.ts'
import type { StoredSessions } from './stores/stored-sessions.ts'

/** How long sessions live, and how many there may be. */
export interface SessionLifetimes {
  /** A session that no one uses ends after this time; 30 minutes. */
  readonly idleMs?: number
  /** It ends after this time whatever its use; 24 hours. */
  readonly absoluteMs?: number
  /** The same for those who asked to stay signed in; 30 days. */
  readonly rememberAbsoluteMs?: number
  /** A sign-in beyond that ends the least recently used one; 20. */
  readonly maxPerUser?: number
}

export interface OpenSessionsOptions extends DomainOptions, SessionLifetimes {
  /**
   * `coherent`: sessions are served from this process' memory while its lease says that they may be. `redis`: Redis is
   * asked each time; the same promise at one trip a request.
   */
  readonly cache?: 'coherent' | 'redis'
  /** Bound of the sessions held in this process' memory; 100,000. */
  readonly maxEntries?: number
  /** Bound of the data that the application keeps in one session, as JSON; 32 KiB. */
  readonly mostDataBytes?: number
  /**
   * Called with each invalidation; what must not outlive a session (an open stream) ends here. No logout is confirmed
   * before it has resolved.
   */
  readonly onInvalidated?: (ended: Invalidated) => void | Promise<void>
}

/** Everything throws, or rejects with, `NotStarted` before `start()` and after `stop()`. */
export interface OpenSessions extends Sessions, Service {
  readonly name: string
  readonly lifetimes: Required<SessionLifetimes>
  /** The domain that these sessions are in, for parts beside them. */
  readonly domain: DomainService
  /** What `koaSessionStore` and `expressSessionStore` are built on. */
  readonly stored: StoredSessions
  /** Ends every session of everybody. */
  endAll(): Promise<void>
  /** Null before the start. */
  readonly counters: Readonly<SessionCounters> | null
  /** Sessions that this process holds in memory. */
  cachedSessions(): number
}

const defaultLifetimes: Required<SessionLifetimes> = {
  idleMs: 30 * 60_000,
  absoluteMs: 24 * 3_600_000,
  rememberAbsoluteMs: 30 * 24 * 3_600_000,
  maxPerUser: 20,
}

/** Throws a `ConfigurationError` with everything that is wrong with the options. Connects at `start()`. */
export function openSessions(options: OpenSessionsOptions): OpenSessions {
  const lifetimes = lifetimesOf(options)
  const problems = sessionProblems(options, lifetimes)
  const domain = problemsOf(() => openDomain(options), problems)
  let running: SessionService | null = null

  /** Made when the domain is open, since how it lives through a failover is found out there. */
  const service: Service = {
    async start() {
      const { redis, coherence } = domain.use()
      const sessions = createSessions({
        ...lifetimes,
        redis,
        coherence,
        cache: options.cache ?? 'coherent',
        ...(options.maxEntries === undefined ? {} : { maxEntries: options.maxEntries }),
        ...(options.mostDataBytes === undefined ? {} : { mostDataBytes: options.mostDataBytes }),
        ...(options.onInvalidated ? { onInvalidated: options.onInvalidated } : {}),
        ...(options.clock ? { clock: options.clock } : {}),
      })
      await sessions.start()
      running = sessions
    },
    async stop(deadline: Deadline) {
      const ended = running
      running = null
      await ended?.stop(deadline)
    },
  }
  const all = group([domain, service])

  function use(): SessionService {
    if (running === null) throw new NotStarted(options.name)
    return running
  }

  return {
    name: options.name,
    lifetimes,
    domain,
    start: all.start,
    stop: all.stop,
    authenticate: (token, beforeAsking) => use().authenticate(token, beforeAsking),
    stillValid: (token) => use().stillValid(token),
    peek: async (token) => use().peek(token),
    prepareLogin: async (userId) => use().prepareLogin(userId),
    create: async (ticket, login) => use().create(ticket, login),
    loadData: async (token) => use().loadData(token),
    saveData: async (token, changes) => use().saveData(token, changes),
    relabel: async (token, label) => use().relabel(token, label),
    list: async (userId, limit) => use().list(userId, limit),
    revoke: async (token) => use().revoke(token),
    revokeById: async (userId, sessionId) => use().revokeById(userId, sessionId),
    revokeUser: async (userId, kept) => use().revokeUser(userId, kept),
    rotateAndRevokeOthers: async (userId, token) => use().rotateAndRevokeOthers(userId, token),
    updateSubject: async (subject, state) => use().updateSubject(subject, state),
    stored: {
      ticket: () => use().stored.ticket(),
      load: async (id) => use().stored.load(id),
      write: async (id, write) => use().stored.write(id, write),
      end: async (id) => use().stored.end(id),
    },
    endAll: async () => use().endAll(),
    get counters() {
      return running?.counters ?? null
    },
    cachedSessions: () => running?.cachedSessions() ?? 0,
  }
}

function lifetimesOf(options: SessionLifetimes): Required<SessionLifetimes> {
  const { idleMs, absoluteMs, rememberAbsoluteMs, maxPerUser } = defaultLifetimes
  return {
    idleMs: options.idleMs ?? idleMs,
    absoluteMs: options.absoluteMs ?? absoluteMs,
    rememberAbsoluteMs: options.rememberAbsoluteMs ?? Math.max(rememberAbsoluteMs, options.absoluteMs ?? 0),
    maxPerUser: options.maxPerUser ?? maxPerUser,
  }
}

/** A year: a session that lives longer is a mistake in the unit. */
const longestMs = 366 * 24 * 3_600_000

function sessionProblems(options: OpenSessionsOptions, lifetimes: Required<SessionLifetimes>): string[] {
  const problems: string[] = []
  for (const name of ['idleMs', 'absoluteMs', 'rememberAbsoluteMs'] as const) {
    const value: unknown = lifetimes[name]
    if (typeof value === 'number' && value >= 1_000 && value <= longestMs) continue
    problems.push(
      `${name} is ${String(value)}: it is in milliseconds, from 1000 (a second) to ${longestMs} (a year)`,
    )
  }
  const { maxPerUser } = lifetimes
  if (!(Number.isInteger(maxPerUser) && maxPerUser >= 1)) {
    problems.push(`maxPerUser is ${maxPerUser}: it is a whole number from 1`)
  }
  const { cache = 'coherent', maxEntries = 1 } = options
  if (cache !== 'coherent' && cache !== 'redis') {
    problems.push(`cache is ${JSON.stringify(cache)}: it is coherent or redis`)
  }
  if (!(Number.isInteger(maxEntries) && maxEntries >= 1)) {
    problems.push(`maxEntries is ${maxEntries}: it is a whole number from 1`)
  }
  return problems
}

/** What `open` makes, unless it or someone before it has found problems: then all of them. */
function problemsOf<T>(open: () => T, before: readonly string[]): T {
  try {
    const made = open()
    if (before.length === 0) return made
  } catch (cause) {
    if (!(cause instanceof ConfigurationError)) throw cause
    throw new ConfigurationError([...cause.problems, ...before])
  }
  throw new ConfigurationError(before)
}
