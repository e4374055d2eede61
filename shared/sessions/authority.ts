/**
 * The sessions in Redis, which alone say what is valid. Redis that can't be asked is never an answer about a session:
 * everything here throws `Unavailable` then.
 */
import type { Coherence, Stamp } from '../coherence/index.ts'
import type { Clock } from '../kernel/clock.ts'
import { Unavailable } from '../kernel/errors.ts'
import type { Fill } from './cache/session-cache.ts'
import type { CreateReply, Creation, Loaded, SessionScripts } from './scripts.ts'
import type { SessionData, Sessions } from './sessions.ts'
import type { Standings } from './standings.ts'
import { hashToken, isWellFormedToken } from './token.ts'
import type { TokenSeals } from './token-seals.ts'

export interface AuthorityDependencies {
  readonly scripts: SessionScripts
  readonly coherence: Pick<Coherence, 'saw' | 'believes' | 'keeps'>
  readonly seals: Pick<TokenSeals, 'mayBeOurs'>
  readonly clock: Clock
  readonly onLoad: () => void
  /** What lies where a session was expected is not one; given the hash of its token. */
  readonly onCorrupt: (hash: string) => void
}

/** What the authority answered about a token: all that a cache needs, and the data if they were asked for. */
export interface FromAuthority extends Fill {
  readonly data: SessionData
}

export interface Authority extends Pick<Sessions, 'peek' | 'prepareLogin' | 'saveData' | 'list'>, Standings {
  /** Null when the token proves nothing. */
  load(token: string, withData: boolean): Promise<FromAuthority | null>
  create(creation: Creation): Promise<CreateReply>
  /** Resolves when what was written in this incarnation lives through a failover. */
  kept(inc: string): Promise<void>
  /** Ends a session that its own login could not confirm; one attempt, whose end no one waits for. */
  withdraw(hash: string): void
  relabel(hash: string, label: string | null): Promise<'saved' | 'gone'>
}

export function createAuthority(dependencies: AuthorityDependencies): Authority {
  const { scripts, coherence, seals, clock, onLoad, onCorrupt } = dependencies

  /** What was never issued is refused here. */
  function mayBeValid(token: string): boolean {
    return isWellFormedToken(token) && seals.mayBeOurs(token)
  }

  /** Asks what changes nothing, and counts only in an incarnation that this process believes in. */
  async function look<Answer extends Stamp>(question: () => Promise<Answer>): Promise<Answer> {
    const answer = await askRedis(() => onceMore(question))
    coherence.saw(answer)
    if (!(await coherence.believes(answer.inc))) throw new Unavailable('redis')
    return answer
  }

  function ask(hash: string, withData: boolean, touch: boolean): Promise<Loaded> {
    return look(() => scripts.load(hash, withData, touch))
  }

  return {
    async load(token, withData) {
      if (!mayBeValid(token)) return null
      const hash = hashToken(token)
      onLoad()
      const asked = { askedAt: clock.mono(), askedAtWall: clock.wall() }
      const loaded = await ask(hash, withData, true)
      if (loaded.state === 'corrupt') onCorrupt(hash)
      return loaded.state === 'valid' ? { token, hash, ...asked, ...loaded } : null
    },

    async peek(token) {
      if (!mayBeValid(token)) return null
      const found = await ask(hashToken(token), false, false)
      return found.state === 'valid' ? { identity: found.identity, leftMs: found.ttlMs } : null
    },

    async generationOf(token) {
      if (!mayBeValid(token)) return null
      return (await look(() => scripts.generation(hashToken(token)))).generation
    },

    async peekSession(userId, sessionId) {
      return (await look(() => scripts.sessionById(userId, sessionId))).found
    },

    async generationStands(userId, generation) {
      return (await look(() => scripts.generationStands(userId, generation))).stands
    },

    prepareLogin: (userId) => askRedis(() => scripts.prepare(userId)),

    async create(creation) {
      const created = await askRedis(() => scripts.create(creation))
      coherence.saw(created)
      return created
    },

    async kept(inc) {
      if (!(await askRedis(async () => coherence.keeps(inc)))) throw new Unavailable('redis')
    },

    withdraw: (hash) => void scripts.revokeSession(hash).catch(() => {}),

    saveData: (token, changes) => askRedis(() => scripts.save(hashToken(token), { data: changes })),

    async relabel(hash, label) {
      return (await askRedis(() => scripts.save(hash, { label }))) === 'saved' ? 'saved' : 'gone'
    },

    async list(userId, { most = Number.MAX_SAFE_INTEGER, skip = 0 } = {}) {
      const found = await askRedis(() => scripts.list(userId, { most, skip }))
      return found.map(({ identity }) => identity.session).sort((a, b) => b.createdAt - a.createdAt)
    },
  }
}

async function askRedis<T>(question: () => Promise<T>): Promise<T> {
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
