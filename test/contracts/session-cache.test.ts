import { expect } from 'chai'
import { caches, type SessionCacheMode } from '../../shared/sessions/cache/caches.ts'
import type { Fill, SessionCache } from '../../shared/sessions/cache/session-cache.ts'
import { createSessionMemory } from '../../shared/sessions/cache/session-memory.ts'
import { hashToken, newToken } from '../../shared/sessions/token.ts'
import { identityOf } from '../support/identities.ts'

/** One implementation, with the authority behind it as far as the contract must see it. */
interface Subject {
  readonly cache: SessionCache
  /** The authority learns of this session and answers for it. */
  grant(fill: Fill): void
  /** The authority forgets sessions, before the cache is told. */
  end(matches: (fill: Fill) => boolean): void
  advance(ms: number): void
  /** Time passes, but the monotonic clock stands still. */
  suspend(ms: number): void
}

function build(kind: SessionCacheMode): Subject {
  let now = 1_000
  let slept = 0
  const clock = { mono: () => now, wall: () => now + slept }
  const authority = new Map<string, Fill>()
  const options = { clock, maxEntries: 3, maxAgeMs: 60_000, touchEveryMs: 1_000 }
  const cache = caches[kind]({
    memory: createSessionMemory(options),
    clock,
    guard: { leaseOk: () => true, mayFill: () => true },
    load: async (token) => {
      const fill = authority.get(token)
      return fill && now + slept < fill.askedAt + fill.ttlMs ? fill.identity : null
    },
  })
  return {
    cache,
    grant: (fill) => authority.set(fill.token, fill),
    end: (matches) => {
      for (const fill of authority.values()) if (matches(fill)) authority.delete(fill.token)
    },
    advance: (ms) => (now += ms),
    suspend: (ms) => (slept += ms),
  }
}

function fillFor(userId: string, details: Partial<Fill> = {}): Fill {
  const token = newToken()
  return {
    token,
    hash: hashToken(token),
    identity: identityOf(userId),
    ttlMs: 5_000,
    askedAt: 1_000,
    askedAtWall: 1_000,
    inc: 'x',
    seq: 0,
    ...details,
  }
}

const implementations = Object.keys(caches) as SessionCacheMode[]

for (const kind of implementations) {
  describe(`session cache: ${kind}`, () => {
    let subject: Subject
    beforeEach(() => {
      subject = build(kind)
      // A fill may not be as old as the last invalidation: let time pass before the first.
      subject.advance(1)
    })

    /** Stores as authentication does: the authority knows, then the cache is offered its answer. */
    function store(fill: Fill): Fill {
      subject.grant(fill)
      subject.cache.set(fill)
      return fill
    }
    const held = async (fill: Fill) => (await subject.cache.get(fill.token)) ?? null

    it('answers with what was stored, or not at all', async () => {
      const fill = store(fillFor('ann', { askedAt: 1_001 }))
      expect(await held(fill)).to.equal(kind === 'none' ? null : fill.identity)
    })

    it('knows nothing of a token that was never stored', async () => {
      expect(await held(fillFor('ann'))).to.equal(null)
    })

    it('never answers with an invalidated session, and keeps the others', async () => {
      const [ended, other] = [
        store(fillFor('ann', { askedAt: 1_001 })),
        store(fillFor('ann', { askedAt: 1_001 })),
      ]
      subject.end((fill) => fill.hash === ended.hash)
      subject.cache.invalidate(ended.hash)
      expect(await held(ended)).to.equal(null)
      expect(await held(other)).to.equal(kind === 'none' ? null : other.identity)
    })

    it('never answers with a session of an invalidated user, and keeps those of others', async () => {
      const mine = [store(fillFor('ann', { askedAt: 1_001 })), store(fillFor('ann', { askedAt: 1_001 }))]
      const other = store(fillFor('bob', { askedAt: 1_001 }))
      subject.end((fill) => fill.identity.user.id === 'ann')
      subject.cache.invalidateByUser('ann')
      expect(await Promise.all(mine.map(held))).to.deep.equal([null, null])
      expect(await held(other)).to.equal(kind === 'none' ? null : other.identity)
    })

    it('never answers with anything that was there before a clear', async () => {
      const fill = store(fillFor('ann', { askedAt: 1_001 }))
      subject.end(() => true)
      subject.cache.clear()
      expect(await held(fill)).to.equal(null)
    })

    it('never answers with a session past its time', async () => {
      const fill = store(fillFor('ann', { askedAt: 1_001, ttlMs: 500 }))
      subject.advance(500)
      expect(await held(fill)).to.equal(null)
    })

    it('never answers with a session that expired while the machine was suspended', async () => {
      const fill = store(fillFor('ann', { askedAt: 1_001, ttlMs: 500 }))
      subject.suspend(500)
      expect(await held(fill)).to.equal(null)
    })

    it('takes invalidations of what it never held', () => {
      subject.cache.invalidate('nothing')
      subject.cache.invalidateByUser('nobody')
      subject.cache.clear()
    })
  })
}

for (const kind of ['coherent', 'memory'] as const) {
  describe(`session memory behind the ${kind} cache`, () => {
    it('is bounded: the least recently used sessions go first', () => {
      const { cache } = build(kind)
      const [first, ...others] = Array.from({ length: 4 }, () => fillFor('ann', { askedAt: 1_000 }))
      for (const fill of [first!, ...others]) cache.set(fill)
      expect(cache.get(first!.token)).to.equal(undefined)
      for (const fill of others) expect(cache.get(fill.token)).to.equal(fill.identity)
    })
  })
}

describe('the memory cache', () => {
  it('does not keep an answer that was asked for before an invalidation', () => {
    const { cache, advance } = build('memory')
    advance(10)
    const late = fillFor('ann', { askedAt: 1_005 })
    cache.invalidate(late.hash)
    cache.set(late)
    expect(cache.get(late.token)).to.equal(undefined)
  })
})
