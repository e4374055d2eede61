import { expect } from 'chai'
import { systemClock } from '../../shared/kernel/clock.ts'
import { createLoginGuard, type LoginGuard, type LoginGuardOptions } from '../../shared/limits/login-guard.ts'
import { eventually } from '../support/eventually.ts'
import { withScriptClock } from './redis-doubles.ts'
import { dump, restore } from './replicas.ts'
import { admitted, createWorld, policy, type World } from './world.ts'

const windowMs = 900_000
const owner = { ip: '203.0.113.9', account: 'alice' }

describe('Sign-in after Redis has lost what was counted', () => {
  let world: World

  beforeEach(async () => {
    world = await createWorld({ persistence: 'always' })
  })
  afterEach(() => world.end())

  function guard(options: Partial<LoginGuardOptions> = {}): LoginGuard {
    return createLoginGuard({
      redis: world.open(),
      clock: systemClock,
      ip: { limit: 1_000, windowMs },
      account: { limit: 10, windowMs },
      holdMs: 0,
      busyMs: 0,
      ...options,
    })
  }

  /** How many wrong guesses at alice from one address are tried, of so many. */
  async function tried(guard: LoginGuard, count: number): Promise<number> {
    let allowed = 0
    for (let i = 0; i < count; i += 1) {
      const attempt = await guard.attempt(owner)
      if (!attempt.allowed) continue
      await attempt.count()
      allowed += 1
    }
    return allowed
  }

  it('goes on at half of its limit after FLUSHALL, and all losses together give at most twice the guesses', async () => {
    const own = guard()
    await own.found()
    expect(await tried(own, 20)).to.equal(10)
    const after: number[] = []
    for (let loss = 0; loss < 4; loss += 1) {
      await world.redis.flushall()
      after.push(await tried(own, 20))
    }
    expect(after).to.deep.equal([5, 3, 2, 1])
    expect(await own.standing()).to.include({ exists: true, losses: 4 })
    expect(own.metrics().recoveringMs).to.be.within(1, windowMs)
  })

  it('goes on at half of its limit on a Redis that is new while the accounts are not', async () => {
    expect(await tried(guard(), 20)).to.equal(5)
    expect(await guard().inspect('login-account', 'alice')).to.include({ limit: 5, charged: 5 })
  })

  it('is lower by the two guesses that a failover lost, and not by more', async () => {
    const [one, two] = [guard(), guard()]
    await one.found()
    expect(await tried(one, 3)).to.equal(3)
    expect(await tried(two, 1)).to.equal(1)
    const replica = await dump(world.redis)
    expect(await tried(one, 2)).to.equal(2)
    await world.server.restart({ wipe: true })
    await eventually(() => restore(world.redis, replica))

    await eventually(async () => expect(await one.attempt(owner)).to.include({ allowed: true }))
    expect(await two.standing()).to.include({ losses: 1, lost: 2 })
    // 4 are still known, 2 were lost; one is being tried.
    expect(await tried(two, 20)).to.equal(3)
  })

  it('is not touched by what the other limits lose', async () => {
    const own = guard()
    await own.found()
    const limiter = await world.worker({ policies: [policy('p', { limit: 10, windowMs: 60_000 })] })
    await limiter.found()
    await limiter.take('p', 'alice')
    await world.redis.del('{lm}:record')
    expect(await admitted(limiter, 'p', 'alice', 20)).to.equal(10)
    expect(await limiter.standing()).to.include({ losses: 1 })
    expect(await tried(own, 20)).to.equal(10)
  })

  it('is what it was when an operator says that nothing is lost that matters', async () => {
    const own = guard()
    expect(await tried(own, 20)).to.equal(5)
    expect(await guard().trust()).to.equal(true)
    expect(await tried(own, 20)).to.equal(5)
    expect(await own.standing()).to.include({ losses: 0, recoveringMs: 0 })
    expect(await guard().trust(), 'again').to.equal(false)
  })

  it('is what it was once the window is over', async () => {
    const own = guard({ account: { limit: 10, windowMs: 1_000 }, ip: 'off' })
    expect(await tried(own, 12)).to.be.within(5, 10)
    await eventually(async () => expect(await own.standing()).to.include({ recoveringMs: 0 }))
    await eventually(async () => expect((await own.inspect('login-account', 'alice'))?.limit).to.equal(10))
  })

  for (const stepMs of [-3_600_000, -5, 5, 900]) {
    it(`costs nothing when the clock of Redis is set by ${stepMs} ms`, async () => {
      let clock = 'time'
      const redis = withScriptClock(world.open(), () => clock)
      const own = guard({ redis })
      await own.found()
      expect(await tried(own, 4)).to.equal(4)
      clock = `time + ${stepMs}`
      expect(await tried(own, 20)).to.equal(6)
      expect(await own.standing()).to.include({ losses: 0 })
    })
  }

  it('costs an hour at the most when the clock of Redis is set forward by an hour, and forgets no guess', async () => {
    let clock = 'time'
    const redis = withScriptClock(world.open(), () => clock)
    const own = guard({ redis })
    await own.found()
    expect(await tried(own, 10)).to.equal(10)
    clock = 'time + 3600000'
    expect(await tried(own, 20)).to.equal(0)
    expect(own.metrics().clockSteps).to.equal(1)
    const { recoveringMs, losses } = await own.standing()
    expect(losses).to.equal(1)
    expect(recoveringMs).to.be.within(1, windowMs)
  })

  it('is told of a step by each worker, and follows only the first', async () => {
    let clock = 'time'
    const [one, two] = [0, 1].map(() => guard({ redis: withScriptClock(world.open(), () => clock) }))
    if (!one || !two) return
    await one.found()
    await tried(one, 2)
    await tried(two, 2)
    clock = 'time + 10000'
    await Promise.all([tried(one, 1), tried(two, 1)])
    const ahead = Number(await world.redis.hget('{lm}:sign-in', 'ahead'))
    expect(ahead).to.be.within(10_000, 10_500)
  })
})
