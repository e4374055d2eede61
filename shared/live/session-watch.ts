/**
 * What must not outlive a session: open streams and sockets, handlers that work on, jobs on its behalf.
 *
 * The promise (P3): when a revocation has been answered with success, no worker delivers anything more on what depends
 * on the session. It holds because of three rules:
 *
 *  1. *Held back before acknowledged.* An invalidation makes everything that it may concern a suspect, at once and
 *     before the invalidation is acknowledged; nothing is delivered for a suspect. Redis is then asked, and what has
 *     lost its session ends. The acknowledgement waits for that a while, so that normally the end has come before the
 *     success is answered.
 *  2. *The lease at each delivery.* `mayDeliver` reads the clocks at the moment of the delivery. A worker that was
 *     outwaited has no lease, and holds back until it has caught up with what it missed.
 *  3. *Asked at the beginning.* A dependent begins as a suspect: a revocation may have been applied between the moment
 *     its request was authenticated and this one.
 *
 * A session that ends by itself (idle, absolute) ends what depends on it too: Redis is asked when its time is over.
 * Asking does not count as use, so an open stream does not keep a session alive.
 */
import type { Coherence } from '../coherence/index.ts'
import { hashToken, type Identity, type Invalidated, type Sessions } from '../sessions/index.ts'

/** Why what depended on a session ends: it is over, or its user may not do this any more. */
export type EndReason = 'session-ended' | 'access-lost'

export interface Dependent extends Ends {
  readonly token: string
  readonly userId: string
  /** Whether the user as it is now may still have this. */
  allows(identity: Identity): boolean
}

interface Ends {
  /** Called once. What is delivered ends before this returns. */
  ended(reason: EndReason): void
}

/** What depends on something that only Redis can be asked about. */
export interface Standing extends Ends {
  /** Dependents of one key are asked about in one question. */
  readonly key: string
  readonly userId: string
  /** Null when it has ended. `hash`: which session's end concerns it, beside what concerns its whole user. */
  ask(): Promise<{ readonly leftMs: number; readonly hash: string | null } | null>
}

export interface Watched {
  /** To be asked at each delivery, at that very moment. */
  mayDeliver(): boolean
  /** Resolves when Redis has said for the first time whether the session is there. */
  readonly known: Promise<void>
  /** It has ended by itself: no one needs to watch it any more. */
  release(): void
}

export interface SessionWatch {
  watch(dependent: Dependent): Watched
  /** The same for what no token is at hand for. */
  watchStanding(standing: Standing): Watched
  /** For `onInvalidated` of the sessions: nothing is acknowledged before it resolves. */
  invalidated(ended: Invalidated): void | Promise<void>
  /** How many are watched. */
  readonly size: number
  stop(): void
}

export interface SessionWatchOptions {
  readonly sessions: Pick<Sessions, 'peek'>
  readonly coherence: Pick<Coherence, 'leaseOk'>
  readonly bounds?: Partial<typeof usualBounds>
}

const usualBounds = {
  /**
   * How long an acknowledgement waits for the ends that Redis has to be asked about. They stay suspects after it.
   * `Infinity`: until they are known, or the lease is over.
   */
  acknowledgeMs: 400,
  /** Questions to Redis at the same time. */
  questions: 64,
  /** When Redis could not be asked, the wait before the next time. */
  againMs: 250,
}

/** The longest that a timer of Node can wait. */
const longestTimerMs = 2 ** 31 - 1

interface Answer {
  readonly leftMs: number
  /** Where the question was about a token. */
  readonly identity?: Identity
  readonly hash: string | null
}

interface Watching extends Ends {
  allows?(identity: Identity): boolean
}

/** All that depends on one session (or user) here; asked about in one question. */
class WatchedSession {
  readonly key: string
  readonly userId: string
  readonly question: () => Promise<Answer | null>
  readonly dependents = new Set<Watching>()
  suspect = true
  /** Grows with each invalidation: an answer to an earlier question clears no one. */
  suspicion = 0
  asking: Promise<void> | null = null
  expiry: NodeJS.Timeout | undefined

  /** Of its token, as the last answer said: a password change gives a session another one. */
  hash: string | null = null

  constructor(key: string, userId: string, question: () => Promise<Answer | null>) {
    this.key = key
    this.userId = userId
    this.question = question
  }
}

export function createSessionWatch(options: SessionWatchOptions): SessionWatch {
  const { sessions, coherence } = options
  const bounds = { ...usualBounds, ...options.bounds }
  /** By the hash of the token, or the key of what is watched without one. */
  const byKey = new Map<string, WatchedSession>()
  const byUser = new Map<string, Set<WatchedSession>>()
  const withoutToken = new Set<WatchedSession>()
  const turns = createTurns(bounds.questions)
  let size = 0
  let stopped = false

  function open(key: string, userId: string, question: WatchedSession['question']): WatchedSession {
    const fresh = new WatchedSession(key, userId, question)
    byKey.set(key, fresh)
    const siblings = byUser.get(userId)
    if (siblings) siblings.add(fresh)
    else byUser.set(userId, new Set([fresh]))
    return fresh
  }

  function close(session: WatchedSession): void {
    clearTimeout(session.expiry)
    byKey.delete(session.key)
    withoutToken.delete(session)
    const siblings = byUser.get(session.userId)
    siblings?.delete(session)
    if (siblings?.size === 0) byUser.delete(session.userId)
  }

  function release(session: WatchedSession, dependent: Watching): void {
    if (!session.dependents.delete(dependent)) return
    size--
    if (session.dependents.size === 0) close(session)
  }

  function end(session: WatchedSession, dependent: Watching, reason: EndReason): void {
    if (!session.dependents.has(dependent)) return
    release(session, dependent)
    dependent.ended(reason)
  }

  /** One question at a time about each session; asked for during one, another follows it. */
  function ask(session: WatchedSession): Promise<void> {
    if (session.asking !== null) return session.asking
    let open = true
    // At once, not a turn later: a suspicion that came in between would be asked about by no one.
    const asking = askUntilClear(session, () => {
      open = false
      session.asking = null
    })
    if (open) session.asking = asking
    return asking
  }

  async function askUntilClear(session: WatchedSession, over: () => void): Promise<void> {
    while (session.dependents.size > 0 && session.suspect && !stopped) {
      const { suspicion } = session
      try {
        const found = await turns.take(session.question)
        if (suspicion === session.suspicion) judge(session, found)
      } catch {
        // Redis can't be asked. They stay suspects, and nothing is delivered meanwhile.
        await new Promise((resolve) => setTimeout(resolve, bounds.againMs).unref())
      }
    }
    over()
  }

  function judge(session: WatchedSession, found: Answer | null): void {
    for (const dependent of Array.from(session.dependents)) {
      if (found === null) end(session, dependent, 'session-ended')
      else if (found.identity && dependent.allows?.(found.identity) === false)
        end(session, dependent, 'access-lost')
    }
    session.suspect = false
    session.hash = found?.hash ?? null
    if (found === null || session.dependents.size === 0) return
    clearTimeout(session.expiry)
    session.expiry = setTimeout(() => suspect([session]), Math.min(found.leftMs, longestTimerMs)).unref()
  }

  async function suspect(concerned: Iterable<WatchedSession>): Promise<void> {
    const questions: Promise<void>[] = []
    for (const session of concerned) {
      session.suspect = true
      session.suspicion++
      questions.push(ask(session))
    }
    await Promise.all(questions)
  }

  function concernedBy(ended: Invalidated): Iterable<WatchedSession> {
    if ('everybody' in ended) return byKey.values()
    if ('user' in ended) return byUser.get(ended.user) ?? []
    const session = byKey.get(ended.session)
    // While the question is open, the answer may be that it has this token by now.
    const others = [...withoutToken].filter(({ asking, hash }) => asking !== null || hash === ended.session)
    return session ? [session, ...others] : others
  }

  function add(session: WatchedSession, dependent: Watching): Watched {
    session.dependents.add(dependent)
    size++
    return {
      known: suspect([session]),
      mayDeliver: () => coherence.leaseOk() && !session.suspect && session.dependents.has(dependent),
      release: () => release(session, dependent),
    }
  }

  return {
    get size() {
      return size
    },

    watch(dependent) {
      const { token, userId } = dependent
      const hash = hashToken(token)
      const question = async () => {
        const found = await sessions.peek(token)
        return found && { ...found, hash }
      }
      return add(byKey.get(hash) ?? open(hash, userId, question), dependent)
    },

    watchStanding(standing) {
      const { key, userId } = standing
      const session = byKey.get(key) ?? open(key, userId, () => standing.ask())
      withoutToken.add(session)
      return add(session, standing)
    },

    invalidated(ended) {
      const concerned = Array.from(concernedBy(ended))
      if (concerned.length === 0) return
      const answered = suspect(concerned)
      if (bounds.acknowledgeMs === Infinity) return answered
      return Promise.race([answered, elapsed(bounds.acknowledgeMs)])
    },

    stop() {
      stopped = true
      for (const session of byKey.values()) clearTimeout(session.expiry)
    },
  }
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** Lets at most `most` run at the same time. */
function createTurns(most: number) {
  const waiting: (() => void)[] = []
  let running = 0
  return {
    async take<T>(question: () => Promise<T>): Promise<T> {
      if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
      running++
      try {
        return await question()
      } finally {
        running--
        waiting.shift()?.()
      }
    },
  }
}
