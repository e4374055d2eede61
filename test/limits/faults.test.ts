import { expect } from 'chai'
import { Unavailable } from '../../shared/kernel/errors.ts'
import type { LimitPolicy } from '../../shared/limits/policy.ts'
import type { RateLimiter } from '../../shared/limits/rate-limiter.ts'
import { eventually } from '../support/eventually.ts'
import { dump, restore } from './replicas.ts'
import { delayingAnswers, repeatingAnswers, withScriptClock } from './redis-doubles.ts'
import { admitted, createWorld, ledgersIn, policy, type World } from './world.ts'

const ten = { limit: 10, windowMs: 60_000 }
const quarantine = { onDataLoss: 'quarantine' } as const

describe('The rate limiter on a Redis that fails', () => {
  let world: World

  beforeEach(async () => {
    world = await createWorld({ persistence: 'always' })
  })
  afterEach(() => world.end())

  async function reasonFor(limiter: RateLimiter, key: string): Promise<string> {
    const decision = await limiter.take('p', key)
    return decision.allowed ? 'allowed' : decision.reason
  }

  describe('that is away', () => {
    const policies: LimitPolicy[] = [
      policy('closed', ten),
      policy('open', ten, { onOutage: 'open' }),
      policy('share', ten, { onOutage: 'share' }),
    ]
    let limiter: RateLimiter

    beforeEach(async () => {
      limiter = await world.worker({ policies, workers: () => 4, patienceMs: 200 })
      await limiter.take('closed', 'alice')
      world.server.freeze()
    })

    /** One failure is none. */
    async function outage(): Promise<void> {
      while (limiter.metrics().mode === 'ledger') await limiter.take('open', 'alice')
    }

    it('refuses with an outage and not with a denial, soon without waiting, and comes back by itself', async () => {
      const first = await Promise.resolve(limiter.take('closed', 'alice')).catch((cause: unknown) => cause)
      expect(first).to.be.instanceOf(Unavailable)
      await outage()
      expect(() => limiter.take('closed', 'bob'), 'at once').to.throw(Unavailable)
      expect(limiter.metrics().mode).to.equal('outage')
      world.server.thaw()
      await eventually(async () =>
        expect(await limiter.take('closed', 'carol')).to.include({ allowed: true }),
      )
      expect(limiter.metrics().mode).to.equal('ledger')
    })

    it('admits everything where the limit is open, and says nothing of it to the ledger', async () => {
      for (let i = 0; i < 30; i += 1)
        expect(await limiter.take('open', 'alice')).to.include({ allowed: true })
      expect(limiter.metrics().unledgered).to.equal(30)
      world.server.thaw()
      await eventually(async () => expect(await limiter.inspect('open', 'alice')).to.be.an('object'))
    })

    it('admits its part of a shared limit, in any window', async () => {
      await limiter.take('open', 'alice')
      let count = 0
      for (let i = 0; i < 30; i += 1) if ((await limiter.take('share', 'alice')).allowed) count += 1
      expect(count).to.equal(2)
      const refused = await limiter.take('share', 'alice')
      expect(refused).to.include({ allowed: false, reason: 'limit' })
      if (!refused.allowed) expect(refused.retryAfterMs).to.be.within(50_000, 62_000)
    })

    it('charges none of several claims when one cannot be asked', async () => {
      await outage()
      const claims = ['open', 'closed'].map((name) => ({ policy: name, key: 'alice' }))
      const before = limiter.metrics().unledgered
      expect(() => limiter.takeAll(claims)).to.throw(Unavailable)
      expect(limiter.metrics().unledgered).to.equal(before)
    })
  })

  it('is in quarantine on a Redis without a past, unless the installation is declared new', async () => {
    const policies = [policy('p', ten, quarantine)]
    const limiter = await world.worker({ policies })
    expect(await reasonFor(limiter, 'alice')).to.equal('quarantine')
    expect(await limiter.inspect('p', 'alice')).to.include({ remaining: 0 })
    await limiter.found()
    expect(await reasonFor(await world.worker({ policies }), 'alice'), 'too late').to.equal('quarantine')

    await world.redis.flushall()
    const fresh = await world.worker({ policies })
    await fresh.found()
    expect(await admitted(fresh, 'p', 'alice', 20)).to.equal(10)
  })

  it('is in quarantine after a flush, and not when that is trusted', async () => {
    const policies = [policy('p', ten, quarantine), policy('trusting', ten)]
    const limiter = await world.worker({ policies })
    await limiter.found()
    expect(await admitted(limiter, 'trusting', 'alice', 20)).to.equal(10)
    await world.redis.flushall()
    expect(await reasonFor(limiter, 'bob')).to.equal('quarantine')
    const other = await world.worker({ policies })
    expect(await admitted(other, 'trusting', 'alice', 20)).to.equal(10)
  })

  it('counts on over a restart of Redis that loses nothing', async () => {
    const policies = [policy('p', ten, quarantine)]
    const limiter = await world.worker({ policies })
    await limiter.found()
    await limiter.take('p', 'alice', 7)
    await world.server.kill('SIGKILL')
    await world.server.restart()
    const other = await world.worker({ policies })
    expect(await other.take('p', 'alice', 3)).to.include({ allowed: true, remaining: 0 })
    await eventually(async () => expect(await reasonFor(limiter, 'bob')).to.equal('allowed'))
  })

  it('notices grants that a failover lost, and goes into quarantine', async () => {
    const policies = [policy('p', ten, quarantine)]
    const [one, two] = await Promise.all([world.worker({ policies }), world.worker({ policies })])
    await one.found()
    await one.take('p', 'alice')
    await two.take('p', 'alice')
    const replica = await dump(world.redis)
    await one.take('p', 'alice', 5)

    await world.server.restart({ wipe: true })
    await eventually(() => restore(world.redis, replica))
    await eventually(async () => expect(await reasonFor(two, 'bob'), 'saw nothing of it').to.equal('allowed'))
    await eventually(async () => expect(await reasonFor(one, 'bob'), 'knows better').to.equal('quarantine'))
    expect(await reasonFor(two, 'carol')).to.equal('quarantine')
  })

  it('notices that the clock of Redis is set forward by an hour, uses no token dated by it, and goes into quarantine', async () => {
    let clock = 'time'
    const redis = withScriptClock(world.open(), () => clock)
    const limiter = await world.worker({ redis, policies: [policy('p', ten, quarantine)] })
    await limiter.found()
    expect(await admitted(limiter, 'p', 'alice', 20)).to.equal(10)
    clock = 'time + 3600000'
    expect(await reasonFor(limiter, 'bob')).to.equal('quarantine')
    expect(limiter.metrics()).to.include({ clockSteps: 1, admitted: 10 })
    expect(limiter.metrics().burned).to.be.at.most(1)
  })

  for (const stepMs of [-3_600_000, 500]) {
    it(`goes on, and forgets nothing, when the clock of Redis is set by ${stepMs} ms`, async () => {
      let clock = 'time'
      const redis = withScriptClock(world.open(), () => clock)
      const limiter = await world.worker({ redis, policies: [policy('p', ten, quarantine)] })
      await limiter.found()
      expect(await admitted(limiter, 'p', 'alice', 4)).to.equal(4)
      clock = `time + ${stepMs}`
      expect(await reasonFor(limiter, 'bob')).to.equal('allowed')
      expect(await admitted(limiter, 'p', 'alice', 20)).to.equal(6)
    })
  }

  it('uses no token of an answer that is older than the window of its limit allows, and gives it back', async () => {
    let late = true
    const windowMs = 1_000
    const redis = delayingAnswers(world.open(), () =>
      late ? new Promise((resolve) => setTimeout(resolve, 0.3 * windowMs)) : Promise.resolve(),
    )
    const limiter = await world.worker({
      redis,
      policies: [policy('p', { limit: 10, windowMs })],
      patienceMs: 700,
    })
    const failure = await Promise.resolve(limiter.take('p', 'alice')).catch((cause: unknown) => cause)
    expect(failure).to.be.instanceOf(Unavailable)
    const { admitted: count, burned } = limiter.metrics()
    expect(count).to.equal(0)
    expect(burned).to.be.above(0)
    late = false
    await eventually(() => expect(limiter.metrics().refunded).to.equal(limiter.metrics().burned))
    await eventually(async () => expect(await limiter.take('p', 'alice', 10)).to.include({ allowed: true }))
  })

  it('gives back what was granted to a question that it had given up', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const redis = delayingAnswers(world.open(), () => held)
    const limiter = await world.worker({ redis, policies: [policy('p', ten)], patienceMs: 100 })
    const failure = await Promise.resolve(limiter.take('p', 'alice')).catch((cause: unknown) => cause)
    expect(failure).to.be.instanceOf(Unavailable)
    expect(await ledgersIn(world.redis)).to.have.length(1)
    release()
    await eventually(() => expect(limiter.metrics()).to.include({ burned: 1, refunded: 1 }))
  })

  it('uses no token twice when an answer arrives twice', async () => {
    let repeating = false
    const redis = repeatingAnswers(world.open(), () => repeating)
    const limiter = await world.worker({ redis, policies: [policy('p', ten)], patienceMs: 300 })
    await limiter.take('p', 'alice', 4)
    repeating = true
    const failure = await Promise.resolve(limiter.take('p', 'alice', 4)).catch((cause: unknown) => cause)
    expect(failure).to.be.instanceOf(Unavailable)
    repeating = false
    await eventually(async () => expect(await limiter.take('p', 'bob')).to.include({ allowed: true }))
    expect(await limiter.take('p', 'alice', 4)).to.include({ allowed: false })
    expect(limiter.metrics().admitted).to.equal(2)
  })

  it('grants nothing that a full Redis could not remember', async () => {
    const limiter = await world.worker({
      policies: [policy('p', ten), policy('open', ten, { onOutage: 'open' })],
    })
    await limiter.take('p', 'alice')
    await world.redis.config('SET', 'maxmemory', '1')
    const failure = await Promise.resolve(limiter.take('p', 'bob')).catch((cause: unknown) => cause)
    expect(failure).to.be.instanceOf(Unavailable)
    await world.redis.config('SET', 'maxmemory', '0')
    await eventually(async () => expect(await limiter.take('p', 'bob')).to.include({ allowed: true }))
  })
})
