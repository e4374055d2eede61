import { expect } from 'chai'
import { systemClock } from '../../shared/kernel/clock.ts'
import { Unavailable } from '../../shared/kernel/errors.ts'
import {
  createLoginGuard,
  type Guess,
  type LoginAttempt,
  type LoginGuard,
  type LoginGuardOptions,
} from '../../shared/limits/login-guard.ts'
import { withScriptClock } from './redis-doubles.ts'
import { createWorld, type World } from './world.ts'

const quarterHour = 900_000
const owner = '2001:db8:0:1::7'

describe('The login guard', () => {
  let world: World
  /** Milliseconds by which the scripts' clock is ahead. */
  let ahead = 0

  before(async () => {
    world = await createWorld()
  })
  after(() => world.end())
  beforeEach(async () => {
    ahead = 0
    await world.redis.flushall()
  })

  function guard(options: Partial<LoginGuardOptions> = {}): LoginGuard {
    return createLoginGuard({
      redis: withScriptClock(world.open(), () => `time + ${ahead}`),
      // It runs with that of Redis, so that the time that passes here is no step.
      clock: { mono: () => systemClock.mono() + ahead, wall: () => systemClock.wall() + ahead },
      ip: { limit: 50, windowMs: quarterHour },
      account: { limit: 5, windowMs: quarterHour },
      onDataLoss: 'trust',
      holdMs: 0,
      busyMs: 0,
      ...options,
    })
  }

  /** A guess that turns out to be wrong. */
  async function wrong(guard: LoginGuard, guess: Guess): Promise<LoginAttempt> {
    const attempt = await guard.attempt(guess)
    if (attempt.allowed) await attempt.count()
    return attempt
  }

  async function countAllowed(attempts: readonly ReturnType<LoginGuard['attempt']>[]): Promise<number> {
    return (await Promise.all(attempts)).filter(({ allowed }) => allowed).length
  }

  /** Wrong guesses at the account from so many addresses, one each. */
  function strangers(guard: LoginGuard, account: string, count: number) {
    return Array.from({ length: count }, (_, i) =>
      wrong(guard, { ip: `198.51.${i >> 8}.${i & 255}`, account }),
    )
  }

  it('lets 5 of 200 parallel guesses through when the limit is 5, on however many workers', async () => {
    const guards = [guard(), guard(), guard(), guard()]
    const attempts = Array.from({ length: 200 }, (_, i) =>
      wrong(guards[i % 4] as LoginGuard, { ip: '203.0.113.9', account: 'alice' }),
    )
    expect(await countAllowed(attempts)).to.equal(5)
  })

  it('lets 5 of 200 parallel guesses through also when each comes from another address', async () => {
    expect(await countAllowed(strangers(guard(), 'alice', 200))).to.equal(5)
  })

  it('blocks an address that guesses at many accounts', async () => {
    const own = guard({ ip: { limit: 20, windowMs: quarterHour } })
    const attempts = Array.from({ length: 60 }, (_, i) =>
      wrong(own, { ip: '203.0.113.9', account: `user-${i}` }),
    )
    expect(await countAllowed(attempts)).to.equal(20)
    const refused = await own.attempt({ ip: '203.0.113.9', account: 'somebody' })
    expect(refused).to.deep.include({ allowed: false, reason: 'limit', violated: ['login-ip'] })
    expect(await own.attempt({ ip: '203.0.113.10', account: 'somebody' })).to.include({ allowed: true })
  })

  it('takes a /64 of IPv6 for one address', async () => {
    const own = guard({ ip: { limit: 3, windowMs: quarterHour } })
    const attempts = Array.from({ length: 9 }, (_, i) =>
      wrong(own, { ip: `2001:db8::${i}`, account: `user-${i}` }),
    )
    expect(await countAllowed(attempts)).to.equal(3)
    expect(await own.attempt({ ip: '2001:db8:0:1::1', account: 'x' })).to.include({ allowed: true })
  })

  it('does not count what was right or was not tried', async () => {
    const own = guard()
    for (let i = 0; i < 20; i += 1) {
      const attempt = await own.attempt({ ip: owner, account: 'alice' })
      if (!attempt.allowed) throw new Error('was refused')
      await attempt.refund()
      await attempt.refund()
    }
    expect(await own.inspect('login-account', 'alice')).to.include({ limit: 5, charged: 0 })
    expect(await own.inspect('login-ip', owner)).to.include({ limit: 50, charged: 0 })
    await Promise.all(Array.from({ length: 9 }, () => wrong(own, { ip: owner, account: 'alice' })))
    expect(await own.attempt({ ip: owner, account: 'alice' })).to.include({ allowed: false })
  })

  it('lets the owner in after a bounded delay, however many strangers guess', async () => {
    const own = guard({ firstDelayMs: 1_000, longestDelayMs: 30_000 })
    for (let round = 0; round < 8; round += 1) {
      await Promise.all(strangers(own, 'alice', 100))
      ahead += 31_000
    }
    const asked = await own.attempt({ ip: owner, account: 'alice' })
    expect(asked).to.deep.include({ allowed: false, reason: 'delayed', violated: ['login-account'] })
    if (asked.allowed) return
    expect(asked.retryAfterMs).to.equal(30_000)
    ahead += 15_000
    await Promise.all(strangers(own, 'alice', 100))
    ahead += 15_000
    expect(await own.attempt({ ip: owner, account: 'alice' })).to.include({ allowed: true })
  })

  it('delays longer with each guess beyond the limit of the account', async () => {
    const own = guard()
    await Promise.all(strangers(own, 'alice', 5))
    const delays: number[] = []
    for (let i = 0; i < 7; i += 1) {
      const ip = `203.0.113.${i}`
      const asked = await own.attempt({ ip, account: 'alice' })
      if (asked.allowed) throw new Error('was not delayed')
      delays.push(asked.retryAfterMs)
      ahead += asked.retryAfterMs
      expect(await wrong(own, { ip, account: 'alice' })).to.include({ allowed: true })
    }
    expect(delays).to.deep.equal([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  })

  it('waits a short delay itself, for a few at a time', async () => {
    const own = guard({ firstDelayMs: 20, holdMs: 100, maxHeld: 1 })
    await Promise.all(strangers(own, 'alice', 5))
    const [first, second] = await Promise.all([
      wrong(own, { ip: owner, account: 'alice' }),
      wrong(own, { ip: '203.0.113.1', account: 'alice' }),
    ])
    expect(first).to.include({ allowed: true })
    expect(second).to.include({ allowed: false, reason: 'delayed' })
  })

  it('is not misled by an account that is spelled like the guesses of an address', async () => {
    const own = guard()
    const forged = JSON.stringify([owner, 'alice'])
    await Promise.all(strangers(own, forged, 5))
    await Promise.all(strangers(own, `alice ${owner}`, 5))
    expect(await own.attempt({ ip: owner, account: 'alice' })).to.include({ allowed: true })
  })

  it('forgets the guesses of an address, and those at an account from all addresses, when told to', async () => {
    const [own, other] = [guard({ ip: { limit: 6, windowMs: quarterHour } }), guard()]
    await Promise.all(Array.from({ length: 9 }, () => wrong(own, { ip: owner, account: 'alice' })))
    expect(await own.attempt({ ip: owner, account: 'alice' })).to.include({ allowed: false })
    await other.reset('login-account', 'alice')
    expect(await wrong(own, { ip: owner, account: 'alice' })).to.include({ allowed: true })
    expect(await wrong(own, { ip: owner, account: 'alice' })).to.deep.include({ violated: ['login-ip'] })
    await other.reset('login-ip', owner)
    const attempts = Array.from({ length: 9 }, () => wrong(own, { ip: owner, account: 'alice' }))
    expect(await countAllowed(attempts), 'of 5, one is used').to.equal(4)
  })

  it('has no limit where a rule is off', async () => {
    const own = guard({ ip: 'off', account: 'off' })
    const attempts = Array.from({ length: 100 }, () => own.attempt({ ip: owner, account: 'alice' }))
    expect(await countAllowed(attempts)).to.equal(100)
    expect(await own.inspect('login-ip', owner)).to.equal(null)
    await own.reset('login-account', 'alice')
    const half = guard({ ip: 'off' })
    const guesses = Array.from({ length: 20 }, () => wrong(half, { ip: owner, account: 'alice' }))
    expect(await countAllowed(guesses)).to.equal(5)
  })

  it('tries nothing after Redis has lost its memory where it is told so', async () => {
    const refused = await guard({ onDataLoss: 'quarantine' }).attempt({ ip: owner, account: 'alice' })
    expect(refused).to.deep.include({ allowed: false, reason: 'quarantine', violated: [] })
  })

  it('tries nothing while Redis is away', async () => {
    const own = guard({ patienceMs: 200 })
    world.server.freeze()
    const failure = await own.attempt({ ip: owner, account: 'alice' }).catch((cause: unknown) => cause)
    world.server.thaw()
    expect(failure).to.be.instanceOf(Unavailable)
    expect(own.metrics()).to.include({ mode: 'outage', admitted: 0 })
  })

  describe('while guesses are being tried', () => {
    /** As a password that is right: it takes a moment to find that out. */
    async function right(guard: LoginGuard, guess: Guess): Promise<LoginAttempt> {
      const attempt = await guard.attempt(guess)
      if (!attempt.allowed) return attempt
      await new Promise((resolve) => setTimeout(resolve, 20))
      await attempt.refund()
      return attempt
    }

    it('lets 30 parallel correct logins succeed, or come back in a second, and none after a quarter of an hour', async () => {
      const [one, two] = [guard({ busyMs: 1_000 }), guard({ busyMs: 1_000 })]
      const attempts = await Promise.all(
        Array.from({ length: 30 }, (_, i) => right(i % 2 ? one : two, { ip: owner, account: 'alice' })),
      )
      for (const attempt of attempts) {
        if (!attempt.allowed) expect(attempt).to.deep.include({ reason: 'busy', retryAfterMs: 1_000 })
      }
      expect(attempts.filter(({ allowed }) => allowed).length).to.be.above(5)
      expect(await right(one, { ip: owner, account: 'alice' })).to.include({ allowed: true })
    })

    it('counts none of those that a worker left undecided, and holds their places for 30 s at the most', async () => {
      const own = guard()
      for (let i = 0; i < 5; i += 1) await own.attempt({ ip: owner, account: 'alice' })
      expect(await own.attempt({ ip: owner, account: 'alice' })).to.deep.include({
        allowed: false,
        reason: 'busy',
        retryAfterMs: 1_000,
        violated: ['login-account'],
      })
      ahead += 30_001
      expect(await own.attempt({ ip: owner, account: 'alice' })).to.include({ allowed: true })
    })

    it('never tries more at a time than may still be wrong', async () => {
      const own = guard()
      for (let i = 0; i < 3; i += 1) await wrong(own, { ip: owner, account: 'alice' })
      const attempts = Array.from({ length: 20 }, () => own.attempt({ ip: owner, account: 'alice' }))
      expect(await countAllowed(attempts)).to.equal(2)
    })

    it('does not answer that a guess was wrong before that is counted', async () => {
      const own = guard({ patienceMs: 100 })
      const attempt = await own.attempt({ ip: owner, account: 'alice' })
      if (!attempt.allowed) throw new Error('was refused')
      world.server.freeze()
      const failure = await attempt.count().catch((cause: unknown) => cause)
      world.server.thaw()
      expect(failure).to.be.instanceOf(Unavailable)
    })
  })

  it('leaves nothing in Redis of a login that was right', async () => {
    const own = guard()
    await own.found()
    const before = await world.redis.keys('*')
    const attempt = await own.attempt({ ip: owner, account: 'alice' })
    if (attempt.allowed) await attempt.refund()
    expect(await world.redis.keys('*')).to.have.members(before)
  })

  it('remembers a bounded number of wrong guesses, wherever they come from', async () => {
    const own = guard({ mostGuesses: 20 })
    for (let i = 0; i < 20; i += 1) await wrong(own, { ip: `2001:db8:${i}::1`, account: `fresh-${i}` })
    const keys = (await world.redis.keys('*')).length
    const refused = await wrong(own, { ip: '2001:db8:ffff::1', account: 'fresh' })
    expect(refused).to.deep.include({ allowed: false, reason: 'limit', violated: ['login-all'] })
    if (!refused.allowed) expect(refused.retryAfterMs).to.be.at.most(60_000)
    expect((await world.redis.keys('*')).length).to.equal(keys)
  })
})
