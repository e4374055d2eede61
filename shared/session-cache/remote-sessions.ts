/**
 * A cache of sessions that another service validates (Appwrite, Kratos, an introspection endpoint), true in every process:
 *
 * ```ts
 * const remote = remoteSessions({ name: 'shop', redis: url, validate, revoke, cacheMs: 60_000, whenAway: 'serve-cached' })
 * await remote.start()
 * const session = await remote.get(token)      // from memory, from Redis, or by asking the service
 * await remote.revoke(token)                   // true in every process when it resolves
 * ```
 *
 * What holds: a request that is sent after `revoke`, `invalidate`, `invalidateByUser` or `clear` resolved is answered with
 * nothing that the service said before. It holds under what the coherence protocol bears (docs/coherence.md). What is
 * ended at the service by others is noticed when `cacheMs` are over.
 */
import type { Coherence, Recorded, Stamp } from '../coherence/index.ts'
import { openDomain, type DomainOptions, type DomainService } from '../domain/open-domain.ts'
import { systemClock, type Clock } from '../kernel/clock.ts'
import { ConfigurationError, NotStarted, Unavailable } from '../kernel/errors.ts'
import { group, type Deadline, type Service } from '../kernel/lifecycle.ts'
import { hashToken, SessionFault } from '../sessions/index.ts'
import { watchIdentityService, type IdentityService } from './identity-service.ts'
import { createRemoteMemory } from './remote-memory.ts'
import { createRemoteScripts } from './remote-scripts.ts'
import { readAnswer, readKept, UnusableAnswer, type RemoteSession } from './remote-session.ts'
import { shareValidations } from './validations.ts'

/** How far Redis was: taken before the service is asked, so that an answer which crosses a revocation is refused. */
export type RemoteTicket = Stamp

export interface Asking {
  /** Aborted when the answer would come too late. */
  readonly signal: AbortSignal
}

interface RemoteRules<Data> {
  /** Asks the service whose token it is; null when it proves nothing. A throw is an outage (503), never an answer. */
  validate(token: string, asking: Asking): Promise<RemoteSession<Data> | null>
  /** Ends the session at the service; resolves also when it was over already. */
  revoke(token: string, asking: Asking): Promise<unknown>
  /** The longest that what the service said is used without asking again; never beyond the session's own expiry. */
  readonly cacheMs: number
  /**
   * When the service does not answer: `serve-cached` goes on with what is kept, each until its time is over, and answers
   * 503 for the rest; `refuse` answers 503 to all from the moment a question has failed until one is answered.
   */
  readonly whenAway: 'serve-cached' | 'refuse'
  /** How long the service may take; 3000. */
  readonly timeoutMs?: number
  /** How long a revoked token is remembered, whatever the service says of it; 24 hours. */
  readonly rememberRevokedMs?: number
  /** What tokens look like; others are refused without asking anybody. */
  readonly tokenForm?: RegExp
  /** Asks the service whether it is there, for `healthCheck`. */
  ping?(asking: Asking): Promise<unknown>
  /** Bound of the sessions held in this process' memory; 100,000. */
  readonly maxEntries?: number
  readonly clock?: Clock
}

/** A name and a Redis, or the domain of sessions that the application has opened already. */
export type RemoteSessionsOptions<Data> = RemoteRules<Data> &
  (DomainOptions | { readonly domain: DomainService })

export interface RemoteHealth {
  /** Whether a token that is not kept can be found out about. */
  readonly ok: boolean
  readonly redis: 'up' | 'away'
  readonly service: 'up' | 'away' | 'unknown'
  /** Whether this process may decide from its memory. */
  readonly lease: boolean
  readonly cached: number
}

export interface RemoteCounters {
  /** Answered from the memory of this process, or from Redis. */
  hits: number
  kept: number
  validations: number
  /** Answers of the service that crossed a revocation. */
  crossed: number
}

/** Everything throws, or rejects with, `NotStarted` before `start()` and after `stop()`. */
export interface RemoteSessions<Data = unknown> extends Service {
  /**
   * Whose token is it? Null when it proves nothing. Synchronous when this process may decide from its memory. Rejects
   * with `Unavailable`, `IdentityServiceAway` or `UnusableAnswer` when that could not be found out.
   */
  get(token: string): RemoteSession<Data> | null | Promise<RemoteSession<Data> | null>
  /** Whether what `get` answered is still true: to be asked before data that were read in between are sent. */
  stillValid(token: string): boolean | Promise<boolean>
  ticket(): RemoteTicket
  /**
   * Keeps what the service has just said of a token, such as the answer to a login; with the ticket that was taken before
   * it was asked. `refused`: the token or its user was ended meanwhile.
   */
  set(token: string, session: RemoteSession<Data>, ticket?: RemoteTicket): Promise<'kept' | 'refused'>
  /** Logout: ends the session at the service and everywhere here. Rejects with a `SessionFault` (503) when unconfirmed. */
  revoke(token: string): Promise<void>
  /** Has every process ask the service again; for what was changed or ended there already. */
  invalidate(token: string): Promise<void>
  invalidateByUser(userId: string): Promise<void>
  clear(): Promise<void>
  healthCheck(): Promise<RemoteHealth>
  readonly counters: Readonly<RemoteCounters>
}

const crossed = Symbol('crossed a revocation')
/** How often a token is looked at again whose answer crossed a revocation. */
const patience = 3
/** Beyond what bounds a question to the service and a command to Redis. */
const marginMs = 60_000

interface Open<Data> {
  readonly redis: { time(): Promise<unknown> }
  readonly coherence: Coherence
  readonly scripts: ReturnType<typeof createRemoteScripts>
  readonly memory: ReturnType<typeof createRemoteMemory<Data>>
  readonly validations: ReturnType<typeof shareValidations<RemoteSession<Data> | null | typeof crossed>>
  readonly service: IdentityService
}

/** Throws a `ConfigurationError` with everything that is wrong with the options. Connects at `start()`. */
export function remoteSessions<Data = unknown>(options: RemoteSessionsOptions<Data>): RemoteSessions<Data> {
  const problems = ruleProblems(options)
  if (problems.length > 0) throw new ConfigurationError(problems)
  const { cacheMs, whenAway, timeoutMs = 3_000, rememberRevokedMs = 24 * 3_600_000 } = options
  const { tokenForm = /^[\x21-\x7e]{8,4096}$/, clock = systemClock, maxEntries = 100_000 } = options
  const given = 'domain' in options
  const domain = given ? options.domain : openDomain(options)
  const oldestAnswerMs = timeoutMs + marginMs / 2
  const counters: RemoteCounters = { hits: 0, kept: 0, validations: 0, crossed: 0 }
  let running: Open<Data> | null = null

  function use(): Open<Data> {
    if (running === null) throw new NotStarted(domain.name)
    return running
  }

  function isToken(token: unknown): token is string {
    return typeof token === 'string' && tokenForm.test(token)
  }

  const clocks = () => ({ askedAt: clock.mono(), askedAtWall: clock.wall() })
  const mayUseKept = ({ service }: Open<Data>) => whenAway === 'serve-cached' || service.state !== 'away'

  function open(): Open<Data> {
    const { redis, coherence } = domain.use()
    const memory = createRemoteMemory<Data>({ clock, maxEntries })
    const validations = shareValidations<RemoteSession<Data> | null | typeof crossed>(coherence.leaseOk)
    const service = watchIdentityService({ clock, timeoutMs, pauseMs: 1_000 })
    function refresh(): void {
      memory.clear()
      validations.crossAll()
    }
    coherence.follow('remote-token', {
      apply(hash) {
        memory.dropToken(hash)
        validations.cross(hash)
      },
      refresh,
    })
    coherence.follow('remote-user', {
      apply(userId) {
        memory.dropUser(userId)
        validations.crossAll()
      },
      refresh,
    })
    coherence.follow('remote-all', { apply: refresh, refresh })
    return { redis, coherence, scripts: createRemoteScripts(redis, coherence), memory, validations, service }
  }

  const own: Service = {
    async start() {
      running = open()
    },
    async stop(_deadline: Deadline) {
      running?.memory.clear()
      running = null
    },
  }
  const all = given ? own : group([domain, own])

  function fill(
    { coherence, memory }: Open<Data>,
    stamp: Stamp,
    kept: Parameters<typeof memory.put>[0],
  ): void {
    if (coherence.mayFill(stamp)) memory.put(kept)
  }

  async function believed<T extends Stamp>(
    { coherence }: Open<Data>,
    question: () => Promise<T>,
  ): Promise<T> {
    const answer = await askRedis(question)
    coherence.saw(answer)
    if (!(await coherence.believes(answer.inc))) throw new Unavailable('redis')
    return answer
  }

  async function look(token: string): Promise<RemoteSession<Data> | null> {
    for (let attempt = 0; attempt < patience; attempt++) {
      const found = await lookOnce(token)
      if (found !== crossed) return found
      counters.crossed++
    }
    throw new Unavailable('redis')
  }

  async function lookOnce(token: string): Promise<RemoteSession<Data> | null | typeof crossed> {
    const parts = use()
    const hash = hashToken(token)
    const asked = clocks()
    const found = await believed(parts, () => parts.scripts.find(hash))
    if (found.state === 'revoked') return null
    if (found.state === 'kept' && mayUseKept(parts)) {
      const session = readKept<Data>(found.userId, found.value, clock.wall())
      if (session) {
        counters.kept++
        fill(parts, found, { token, hash, session, ...asked, forMs: Math.min(found.leftMs, cacheMs) })
        return session
      }
    }
    return parts.validations.run(hash, () => validate(parts, token, hash, found, asked.askedAt))
  }

  async function validate(
    parts: Open<Data>,
    token: string,
    hash: string,
    { inc, seq }: RemoteTicket,
    ticketAt: number,
  ): Promise<RemoteSession<Data> | null | typeof crossed> {
    if (whenAway === 'refuse') parts.service.mind()
    counters.validations++
    const asked = clocks()
    const answer = await parts.service.ask((asking) => options.validate(token, asking))
    const session = readAnswer<Data>(answer, clock.wall())
    if (session === null) {
      await forget(parts, hash)
      return null
    }
    // A process that stood still for longer than the marks of revocations last.
    if (clock.mono() - ticketAt > oldestAnswerMs) return crossed
    const outcome = await keep(parts, { token, hash, session, ticket: { inc, seq }, ...asked })
    return outcome === 'kept' ? session : outcome === 'revoked' ? null : crossed
  }

  /** The service says that it has ended: what was kept of it is used by no one any more. */
  async function forget({ memory, scripts }: Open<Data>, hash: string): Promise<void> {
    memory.dropToken(hash)
    const { state } = await askRedis(() => scripts.find(hash))
    if (state === 'kept') await askRedis(() => scripts.end(hash, 'dropped', timeoutMs + marginMs))
  }

  /** Atomic in Redis: kept only if nothing that was recorded since the ticket speaks against it. */
  async function keep(
    parts: Open<Data>,
    entry: {
      token: string
      hash: string
      session: RemoteSession<Data>
      ticket: RemoteTicket
      askedAt: number
      askedAtWall: number
    },
  ) {
    const { token, hash, session, ticket, askedAt, askedAtWall } = entry
    const { userId, expiresAt, data } = session
    const leftMs = expiresAt === null ? Infinity : expiresAt - clock.wall()
    const forMs = Math.max(0, Math.floor(Math.min(cacheMs - (clock.mono() - askedAt), leftMs)))
    const value = JSON.stringify({ expiresAt, data })
    const kept = await believed(parts, () => parts.scripts.keep(hash, { ticket, userId, value, forMs }))
    if (kept.outcome === 'kept' && forMs > 0) {
      fill(parts, kept, { token, hash, session, askedAt, askedAtWall, forMs: Math.min(cacheMs, leftMs) })
    }
    return kept.outcome
  }

  /** Recorded, and true in every process, when it resolves. */
  async function everywhere(record: () => Promise<Recorded>, forget: () => void): Promise<void> {
    const told = await use().coherence.confirm(async () => {
      const recorded = await record()
      forget()
      return recorded
    })
    if (!told.confirmed) throw new Unavailable('redis', { cause: told.cause })
  }

  function get(token: string): RemoteSession<Data> | null | Promise<RemoteSession<Data> | null> {
    const parts = use()
    if (!isToken(token)) return null
    if (mayUseKept(parts) && parts.coherence.leaseOk()) {
      const held = parts.memory.get(token)
      if (held !== undefined) {
        counters.hits++
        return held
      }
    }
    return look(token)
  }

  return {
    start: all.start,
    stop: all.stop,
    get,

    stillValid(token) {
      const held = get(token)
      return held instanceof Promise ? held.then((session) => session !== null) : held !== null
    },

    ticket: () => use().coherence.position(),

    async set(token, given, ticket = use().coherence.position()) {
      const parts = use()
      if (!isToken(token)) throw new TypeError('set needs a token of the form that tokens have (tokenForm)')
      const session = readAnswer<Data>(given, clock.wall())
      if (session === null) throw new UnusableAnswer('its expiresAt is over')
      const hash = hashToken(token)
      const outcome = await keep(parts, { token, hash, session, ticket, ...clocks() })
      return outcome === 'kept' ? 'kept' : 'refused'
    },

    async revoke(token) {
      const { service, scripts, memory } = use()
      if (!isToken(token)) return
      const hash = hashToken(token)
      const failures: unknown[] = []
      // At the service first: what it says after that is true. Here all the same if it fails, since that is safe.
      await service
        .ask((asking) => options.revoke(token, asking))
        .catch((cause: unknown) => failures.push(cause))
      await everywhere(
        () => scripts.end(hash, 'revoked', rememberRevokedMs),
        () => memory.dropToken(hash),
      ).catch((cause: unknown) => failures.push(cause))
      if (failures.length === 0) return
      throw new SessionFault(
        'revocation-unconfirmed',
        'it could not be confirmed that the session has ended everywhere: please ask again',
        failures[0],
      )
    },

    async invalidate(token) {
      const { scripts, memory } = use()
      if (!isToken(token)) return
      const hash = hashToken(token)
      await everywhere(
        () => scripts.end(hash, 'dropped', timeoutMs + marginMs),
        () => memory.dropToken(hash),
      )
    },

    async invalidateByUser(userId) {
      const { scripts, memory } = use()
      await everywhere(
        () => scripts.dropUser(userId, cacheMs + timeoutMs + marginMs),
        () => memory.dropUser(userId),
      )
    },

    async clear() {
      const { scripts, memory } = use()
      await everywhere(
        () => scripts.dropAll(cacheMs + timeoutMs + marginMs),
        () => memory.clear(),
      )
    },

    async healthCheck() {
      const { redis, service, coherence, memory } = use()
      const { ping } = options
      const [redisState] = await Promise.all([
        redis.time().then(
          () => 'up' as const,
          () => 'away' as const,
        ),
        ping && service.ask((asking) => ping(asking)).catch(() => {}),
      ])
      const { state } = service
      return {
        ok: redisState === 'up' && state !== 'away',
        redis: redisState,
        service: state,
        lease: coherence.leaseOk(),
        cached: memory.size,
      }
    },

    counters,
  }
}

async function askRedis<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    throw new Unavailable('redis', { cause })
  }
}

const longestMs = 24 * 3_600_000

function ruleProblems<Data>(options: RemoteSessionsOptions<Data>): string[] {
  const { validate, revoke, whenAway, tokenForm } = options as Partial<RemoteRules<Data>>
  const problems: string[] = []
  if (typeof validate !== 'function')
    problems.push('validate is missing: (token) => Promise<session or null>')
  if (typeof revoke !== 'function') {
    problems.push('revoke is missing: (token) => Promise, which ends the session at the service')
  }
  if (whenAway !== 'serve-cached' && whenAway !== 'refuse') {
    problems.push(
      "whenAway is missing: 'serve-cached' goes on with what is kept while the service is away, 'refuse' answers 503",
    )
  }
  if (tokenForm !== undefined && !(tokenForm instanceof RegExp && !/[gy]/.test(tokenForm.flags))) {
    problems.push('tokenForm is a RegExp without the flags g and y')
  }
  const times = [
    ['cacheMs', options.cacheMs, 100, longestMs],
    ['timeoutMs', options.timeoutMs ?? 3_000, 10, 30_000],
    ['rememberRevokedMs', options.rememberRevokedMs ?? longestMs, 1_000, 366 * longestMs],
  ] as const
  for (const [name, value, least, most] of times) {
    if (typeof value === 'number' && value >= least && value <= most) continue
    problems.push(`${name} is ${String(value)}: it is in milliseconds, from ${least} to ${most}`)
  }
  return problems
}
