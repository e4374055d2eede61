import { expect } from 'chai'
import { watchIdentityService } from '../../shared/session-cache/identity-service.ts'
import { createRemoteMemory } from '../../shared/session-cache/remote-memory.ts'
import { readAnswer, readKept, type RemoteSession } from '../../shared/session-cache/remote-session.ts'
import { remoteSessions } from '../../shared/session-cache/remote-sessions.ts'
import { shareValidations } from '../../shared/session-cache/validations.ts'
import { createManualClock } from '../support/manual-clock.ts'
import { rejection } from '../support/rejection.ts'

const now = Date.UTC(2026, 0, 1)

describe('what an identity service may answer', () => {
  it('a session, or null', () => {
    const session = { userId: 'ann', expiresAt: now + 1_000, data: { roles: ['user'] } }
    expect(readAnswer(session, now)).to.deep.equal(session)
    expect(readAnswer({ userId: 'ann', expiresAt: null, data: null }, now)?.expiresAt).to.equal(null)
    expect(readAnswer(null, now)).to.equal(null)
  })

  it('a session that nobody can change', () => {
    const session = readAnswer<{ roles: string[] }>({ userId: 'ann', data: { roles: ['user'] } }, now)
    expect(() => session?.data.roles.push('admin')).to.throw(TypeError)
  })

  it('a session that is over lets nobody in', () => {
    for (const expiresAt of [now, now - 1, now - 1e10, 0, -1]) {
      expect(readAnswer({ userId: 'ann', expiresAt }, now)).to.equal(null)
    }
  })

  for (const [what, answer, words] of [
    ['seconds', { userId: 'ann', expiresAt: now / 1_000 + 60 }, /seconds/],
    ['microseconds', { userId: 'ann', expiresAt: now * 1_000 }, /finer than milliseconds/],
    ['a date as text', { userId: 'ann', expiresAt: '2027-01-01' }, /number of milliseconds/],
    ['no number', { userId: 'ann', expiresAt: NaN }, /number of milliseconds/],
    ['no end', { userId: 'ann', expiresAt: Infinity }, /number of milliseconds/],
    ['nothing', undefined, /undefined/],
    ['true', true, /boolean/],
    ['nobody', {}, /userId/],
    ['an empty user', { userId: '' }, /userId/],
    ['a user who is a number', { userId: 7 }, /userId/],
    ['data that are no JSON', { userId: 'ann', data: { n: 1n } }, /no JSON/],
    ['data that are a function', { userId: 'ann', data: () => {} }, /no JSON/],
    ['very much data', { userId: 'ann', data: 'x'.repeat(40_000) }, /larger than/],
  ] as const) {
    it(`${what} is an error in words`, () => {
      expect(() => readAnswer(answer, now)).to.throw(words)
    })
  }

  it('what Redis holds and we would not have written counts as absent', () => {
    for (const garbage of ['', 'null', '{', '7', '[]', '{"expiresAt":1}', '{"expiresAt":"soon","data":1}']) {
      expect(readKept('ann', garbage, now)?.data ?? null, garbage).to.equal(null)
    }
    expect(readKept('', '{"expiresAt":null,"data":1}', now)).to.equal(null)
  })
})

describe('remote sessions in memory', () => {
  const session: RemoteSession = { userId: 'ann', expiresAt: null, data: null }
  function kept(clock: ReturnType<typeof createManualClock>, over: object = {}) {
    const memory = createRemoteMemory<unknown>({ clock, maxEntries: 2 })
    memory.put({
      token: 't',
      hash: 'h',
      session,
      askedAt: clock.mono(),
      askedAtWall: clock.wall(),
      forMs: 1_000,
      ...over,
    })
    return memory
  }

  it('end with their time, on each of both clocks', () => {
    for (const pass of ['advance', 'suspend'] as const) {
      const clock = createManualClock()
      const memory = kept(clock)
      clock[pass](999)
      expect(memory.get('t')).to.equal(session)
      clock[pass](1)
      expect(memory.get('t'), pass).to.equal(undefined)
    }
  })

  it('end with their own expiry, looked at on each hit', () => {
    const clock = createManualClock()
    const memory = kept(clock, { session: { ...session, expiresAt: clock.wall() + 300 } })
    expect(memory.get('t')).to.not.equal(undefined)
    clock.stepWall(300)
    expect(memory.get('t')).to.equal(undefined)
  })

  it('do not live longer because the wall clock was set back', () => {
    const clock = createManualClock()
    const memory = kept(clock)
    clock.stepWall(-3_600_000)
    clock.advance(1_000)
    expect(memory.get('t')).to.equal(undefined)
  })

  it('are dropped by token, by user, and all together', () => {
    for (const drop of [
      (memory: ReturnType<typeof kept>) => memory.dropToken('h'),
      (memory: ReturnType<typeof kept>) => memory.dropUser('ann'),
      (memory: ReturnType<typeof kept>) => memory.clear(),
    ]) {
      const memory = kept(createManualClock())
      drop(memory)
      expect([memory.get('t'), memory.size]).to.deep.equal([undefined, 0])
    }
  })
})

describe('questions that are shared', () => {
  function question() {
    let answer: (text: string) => void = () => {}
    let asked = 0
    return {
      ask: () => {
        asked++
        return new Promise<string>((resolve) => (answer = resolve))
      },
      answer: (text: string) => answer(text),
      asked: () => asked,
    }
  }

  it('are asked once while the lease holds', async () => {
    const shared = shareValidations<string>(() => true)
    const { ask, answer, asked } = question()
    const both = [shared.run('a', ask), shared.run('a', ask)]
    answer('yes')
    expect([await Promise.all(both), asked()]).to.deep.equal([['yes', 'yes'], 1])
  })

  it('are asked again without a lease, and after a revocation that may concern them', () => {
    for (const [leaseOk, meanwhile] of [
      [false, () => {}],
      [true, (shared: any) => shared.cross('a')],
      [true, (shared: any) => shared.crossAll()],
    ] as const) {
      const shared = shareValidations<string>(() => leaseOk)
      const { ask, asked } = question()
      void shared.run('a', ask)
      meanwhile(shared)
      void shared.run('a', ask)
      expect(asked()).to.equal(2)
    }
  })

  it('that end late do not take the place of a newer one', async () => {
    const shared = shareValidations<string>(() => true)
    const [old, fresh] = [question(), question()]
    const first = shared.run('a', old.ask)
    shared.cross('a')
    const second = shared.run('a', fresh.ask)
    old.answer('old')
    await first
    const third = shared.run('a', fresh.ask)
    fresh.answer('fresh')
    expect(await Promise.all([second, third])).to.deep.equal(['fresh', 'fresh'])
    expect(fresh.asked()).to.equal(1)
  })
})

describe('a service that is watched', () => {
  it('that hangs, throws at once or later, is away', async () => {
    for (const question of [
      () => new Promise<never>(() => {}),
      () => {
        throw new Error('at once')
      },
      () => Promise.reject(new Error('later')),
    ]) {
      const service = watchIdentityService({ clock: createManualClock(), timeoutMs: 20, pauseMs: 1_000 })
      expect(await rejection(service.ask(question))).to.include({
        name: 'IdentityServiceAway',
        status: 503,
      })
      expect(service.state).to.equal('away')
      expect(() => service.mind()).to.throw(/can't be asked/)
    }
  })

  it('is told to give up, and asked again after a pause', async () => {
    const clock = createManualClock()
    const service = watchIdentityService({ clock, timeoutMs: 20, pauseMs: 1_000 })
    let given: AbortSignal | undefined
    await rejection(
      service.ask(({ signal }) => {
        given = signal
        return new Promise(() => {})
      }),
    )
    expect(given?.aborted).to.equal(true)
    clock.advance(1_000)
    service.mind()
    expect(await service.ask(() => 'here')).to.equal('here')
    expect(service.state).to.equal('up')
  })
})

describe('the options of remote sessions', () => {
  it('are refused all at once, in words', () => {
    expect(() =>
      remoteSessions({ name: 'shop', redis: 'redis://127.0.0.1:1', cacheMs: 60 } as never),
    ).to.throw(/validate is missing[\s\S]*revoke is missing[\s\S]*whenAway is missing[\s\S]*cacheMs is 60/)
  })

  it('and used before start they answer nothing', async () => {
    const remote = remoteSessions({
      name: 'shop',
      redis: 'redis://127.0.0.1:1',
      validate: async () => ({ userId: 'ann', expiresAt: null, data: null }),
      revoke: async () => {},
      cacheMs: 60_000,
      whenAway: 'refuse',
    })
    expect(() => remote.get('a-token-of-somebody')).to.throw(/not started/)
    for (const asking of [
      remote.revoke('a-token-of-somebody'),
      remote.invalidate('a-token-of-somebody'),
      remote.clear(),
      remote.healthCheck(),
    ]) {
      expect(((await rejection(asking)) as Error).name).to.equal('NotStarted')
    }
  })
})
