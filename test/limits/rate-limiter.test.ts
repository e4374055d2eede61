import { expect } from 'chai'
import { openCoherence } from '../../shared/coherence/index.ts'
import { systemClock, type Clock } from '../../shared/kernel/clock.ts'
import type { LimitRule } from '../../shared/limits/policy.ts'
import { createRateLimiter } from '../../shared/limits/rate-limiter.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'
import { admitted, createWorld, ledgersIn, policy, type World } from './world.ts'

const tenAMinute: LimitRule = { limit: 10, windowMs: 60_000 }

describe('The rate limiter', () => {
  let world: World

  before(async () => {
    world = await createWorld()
  })
  after(() => world.end())
  beforeEach(() => world.redis.flushall())

  it('admits exactly the limit, however many workers are asked at once', async () => {
    const workers = await Promise.all(
      [1, 2, 3].map(() => world.worker({ policies: [policy('p', tenAMinute)] })),
    )
    const counts = await Promise.all(workers.map((worker) => admitted(worker, 'p', 'alice', 20)))
    expect(counts.reduce((sum, count) => sum + count)).to.equal(10)
  })

  it('keeps keys and policies apart', async () => {
    const limiter = await world.worker({ policies: [policy('p', tenAMinute), policy('q', tenAMinute)] })
    expect(await admitted(limiter, 'p', 'alice', 11)).to.equal(10)
    expect(await admitted(limiter, 'p', 'bob', 11)).to.equal(10)
    expect(await admitted(limiter, 'q', 'alice', 11)).to.equal(10)
  })

  it('answers hits and known denials without a promise and without Redis', async () => {
    const limiter = await world.worker({ policies: [policy('p', { limit: 1_000, windowMs: 60_000 })] })
    for (let i = 0; i < 100; i += 1) await limiter.take('p', 'alice')
    const { trips } = limiter.metrics()
    expect(trips).to.be.below(20)
    const { leased } = limiter.metrics()
    expect(leased, 'tokens in hand').to.be.above(100)
    expect(limiter.take('p', 'alice')).to.include({ allowed: true, policy: 'p', limit: 1_000 })

    await admitted(limiter, 'p', 'alice', 1_000)
    const afterFlood = limiter.metrics().trips
    for (let i = 0; i < 100; i += 1) {
      const decision = limiter.take('p', 'alice')
      expect(decision).to.include({ allowed: false, reason: 'limit', remaining: 0 })
    }
    expect(limiter.metrics().trips).to.equal(afterFlood)
    expect(afterFlood - trips).to.be.below(100)
  })

  it('makes one trip for a cold key, and takes no more than it was asked for', async () => {
    const limiter = await world.worker({ policies: [policy('p', tenAMinute)] })
    await limiter.take('p', 'cold', 3)
    expect(limiter.metrics()).to.include({ trips: 1, leased: 3, admitted: 1 })
  })

  it('charges costs above 1, and refuses for good what exceeds the limit', async () => {
    const limiter = await world.worker({ policies: [policy('p', tenAMinute)] })
    expect(await limiter.take('p', 'alice', 7)).to.include({ allowed: true, remaining: 3 })
    expect(await limiter.take('p', 'alice', 4)).to.include({ allowed: false, remaining: 3 })
    expect(await limiter.take('p', 'alice', 3)).to.include({ allowed: true, remaining: 0 })
    expect(await limiter.take('p', 'bob', 11)).to.include({ allowed: false, reason: 'limit' })
    expect(() => limiter.take('p', 'bob', 0)).to.throw(RangeError, /cost/)
    expect(() => limiter.take('p', 'bob', 1.5)).to.throw(RangeError, /cost/)
    expect(() => limiter.take('nobody', 'bob')).to.throw(RangeError, /nobody/)
  })

  it('says how long a denial lasts, and admits again afterwards', async () => {
    const windowMs = 400
    const limiter = await world.worker({ policies: [policy('p', { limit: 2, windowMs })] })
    expect(await admitted(limiter, 'p', 'alice', 3)).to.equal(2)
    const denial = await limiter.take('p', 'alice')
    if (denial.allowed) throw new Error('was admitted')
    expect(denial.retryAfterMs).to.be.within(1, windowMs * 1.3)
    await eventually(async () => expect(await limiter.take('p', 'alice')).to.include({ allowed: true }))
  })

  it('charges several policies together or not at all', async () => {
    const limiter = await world.worker({
      policies: [policy('wide', tenAMinute), policy('narrow', { limit: 3, windowMs: 60_000 })],
    })
    const both = [
      { policy: 'wide', key: 'alice' },
      { policy: 'narrow', key: 'alice' },
    ]
    for (let i = 0; i < 3; i += 1) expect(await limiter.takeAll(both)).to.include({ allowed: true })
    for (let i = 0; i < 5; i += 1) {
      const refused = await limiter.takeAll(both)
      expect(refused.allowed).to.equal(false)
      expect(refused.decisions.map(({ policy }) => policy)).to.deep.equal(['narrow'])
    }
    expect(await admitted(limiter, 'wide', 'alice', 20)).to.equal(7)
  })

  it('adds up claims on one key', async () => {
    const limiter = await world.worker({ policies: [policy('p', tenAMinute)] })
    const claim = { policy: 'p', key: 'alice', cost: 6 }
    expect(await limiter.takeAll([claim, claim])).to.include({ allowed: false })
    expect(await limiter.takeAll([claim])).to.include({ allowed: true })
  })

  it('limits nothing where the rule is off', async () => {
    const limiter = await world.worker({ policies: [policy('p', 'off')] })
    expect(limiter.take('p', 'alice', 1_000_000)).to.include({ allowed: true, limit: Infinity })
    expect(await limiter.inspect('p', 'alice')).to.equal(null)
    expect(limiter.metrics().trips).to.equal(0)
  })

  it('gives each key its own limit, and follows a change on every worker', async () => {
    const limits = new Map([['gold', 50]])
    const rule = (key: string): LimitRule => ({ limit: limits.get(key) ?? 5, windowMs: 60_000 })
    const policies = [{ ...policy('p', 'off'), rule }]
    const [one, two] = await Promise.all([world.worker({ policies }), world.worker({ policies })])
    expect(await admitted(one, 'p', 'gold', 60)).to.equal(50)
    expect(await admitted(one, 'p', 'tin', 60)).to.equal(5)
    expect(await two.take('p', 'tin')).to.include({ allowed: false })

    limits.set('tin', 8)
    expect(two.take('p', 'tin'), 'a remembered denial').to.include({ allowed: false })
    await one.changed('p', 'tin')
    expect((await admitted(one, 'p', 'tin', 9)) + (await admitted(two, 'p', 'tin', 9))).to.equal(3)
    expect(two.take('p', 'tin')).to.include({ limit: 8 })
  })

  it('applies a policy that is defined anew to what was charged before', async () => {
    const limiter = await world.worker({ policies: [policy('p', tenAMinute)] })
    expect(await admitted(limiter, 'p', 'alice', 11)).to.equal(10)
    limiter.define(policy('p', { limit: 12, windowMs: 60_000 }))
    expect(await admitted(limiter, 'p', 'alice', 11)).to.equal(2)
    limiter.define(policy('p', { limit: 3, windowMs: 60_000 }))
    expect(await limiter.take('p', 'alice')).to.include({ allowed: false, remaining: 0 })
    limiter.remove('p')
    expect(() => limiter.take('p', 'alice')).to.throw(RangeError)
  })

  it('refuses rules that cannot be kept', async () => {
    const limiter = await world.worker()
    expect(() => limiter.define(policy('p', { limit: 1.5, windowMs: 1_000 }))).to.throw(RangeError, /limit/)
    expect(() => limiter.define(policy('p', { limit: 5, windowMs: 50 }))).to.throw(RangeError, /window/)
    expect(() => limiter.define(policy('a "b"', tenAMinute))).to.throw(RangeError, /name/)
    expect(() => limiter.define(policy('p', tenAMinute, { onOutage: 'share' }))).to.throw(
      RangeError,
      /workers/,
    )
  })

  it('shows what stands against a key, and changes nothing by that', async () => {
    const limiter = await world.worker({ policies: [policy('p', tenAMinute)] })
    expect(await limiter.inspect('p', 'alice')).to.include({ charged: 0, remaining: 10, retryAfterMs: 0 })
    await limiter.take('p', 'alice', 10)
    const standing = await limiter.inspect('p', 'alice')
    expect(standing).to.include({ policy: 'p', limit: 10, windowMs: 60_000, charged: 10, remaining: 0 })
    expect(standing?.retryAfterMs).to.be.within(1, 70_000)
  })

  it('unblocks a key on every worker before it says so', async () => {
    const policies = [policy('p', tenAMinute)]
    const workers = await Promise.all([1, 2, 3].map(() => world.worker({ policies })))
    for (const worker of workers) await admitted(worker, 'p', 'alice', 20)
    for (const worker of workers) expect(worker.take('p', 'alice')).to.include({ allowed: false })

    await workers[0]?.reset('p', 'alice')
    let sum = 0
    for (const worker of workers) sum += await admitted(worker, 'p', 'alice', 20)
    expect(sum).to.equal(10)
  })

  it('says that a key is unblocked when a worker that cannot be told has stopped believing its memory', async () => {
    const policies = [policy('p', tenAMinute)]
    const ears = world.open('subscriber')
    const [limiter, deaf] = await Promise.all([
      world.worker({ policies }),
      world.worker({ policies, subscriber: ears }),
    ])
    await admitted(limiter, 'p', 'alice', 20)
    await eventually(async () => {
      await deaf.take('p', 'alice')
      expect(deaf.take('p', 'alice')).to.include({ allowed: false })
    })
    ears.disconnect()
    await limiter.reset('p', 'alice')
    expect(await deaf.take('p', 'alice')).to.include({ allowed: true })
  })

  it('remembers no denial while it could not hear of an unblocking', async () => {
    const policies = [policy('p', tenAMinute)]
    const limiter = createRateLimiter({ policies, redis: world.open(), clock: systemClock })
    await admitted(limiter, 'p', 'alice', 20)
    const asked = limiter.take('p', 'alice')
    expect(asked).to.be.a('promise')
    // Two that ask at the same time share an answer.
    await asked
    await world.redis.del(...(await ledgersIn(world.redis)))
    expect(await limiter.take('p', 'alice')).to.include({ allowed: true })
    await limiter.stop(deadlineIn(500))
  })

  it('gives unused tokens back when it stops, once', async () => {
    const policies = [policy('p', { limit: 1_000, windowMs: 60_000 })]
    const limiter = await world.worker({ policies })
    for (let i = 0; i < 100; i += 1) await limiter.take('p', 'alice')
    await limiter.stop(deadlineIn(1_000))
    await limiter.stop(deadlineIn(1_000))
    const { leased, refunded } = limiter.metrics()
    expect(refunded).to.be.above(0)
    expect(leased - refunded).to.equal(100)
    expect(() => limiter.take('p', 'alice')).to.throw(/stopped/)
    const other = await world.worker({ policies })
    expect(await other.inspect('p', 'alice')).to.include({ charged: 100 })
  })

  it('gives the tokens of keys back that it has no room to remember', async () => {
    const limiter = await world.worker({
      policies: [policy('p', { limit: 1_000, windowMs: 60_000 })],
      maxKeys: 1,
    })
    for (let i = 0; i < 50; i += 1) await limiter.take('p', 'alice')
    await limiter.take('p', 'bob')
    await eventually(async () => expect(await limiter.inspect('p', 'alice')).to.include({ charged: 50 }))
  })

  it('lets no token be used after its term, not even when the machine was suspended meanwhile', async () => {
    for (const stopped of ['no clock', 'mono'] as const) {
      const shift = { mono: 0, wall: 0 }
      const clock: Clock = {
        mono: () => systemClock.mono() + shift.mono,
        wall: () => systemClock.wall() + shift.wall,
      }
      const limiter = await world.worker({
        clock,
        policies: [policy('p', { limit: 1_000, windowMs: 60_000 })],
      })
      for (let i = 0; i < 100; i += 1) await limiter.take('p', stopped)
      const held = limiter.metrics().leased - 100
      expect(held).to.be.above(0)
      shift.wall += 3_000
      if (stopped === 'no clock') shift.mono += 3_000
      const decision = limiter.take('p', stopped)
      expect(decision, stopped).to.be.a('promise')
      await decision
      expect(limiter.metrics().stranded).to.equal(held)
    }
  })

  it('shows of what is limited only a hash to Redis', async () => {
    const limiter = await world.worker({ policies: [policy('p', tenAMinute)] })
    await limiter.take('p', 'alice@example.org')
    const keys = (await world.redis.keys('*')).filter((key) => !key.startsWith('{sx}:'))
    expect(keys.join()).not.to.include('alice')
    expect(keys.every((key) => key.startsWith('{lm}:'))).to.equal(true)
    for (const key of keys.filter((key) => key !== '{lm}:record')) {
      expect(await world.redis.pttl(key)).to.be.within(1, 70_000)
    }
  })

  it('takes no number for a ledger that is to stay for ever', async () => {
    const policies = [policy('p', tenAMinute)]
    const limiter = await world.worker({ policies })
    await limiter.take('p', 'alice')
    const [ledger = ''] = await ledgersIn(world.redis)
    const number = await world.redis.get(ledger)
    expect(number).to.match(/^\d+$/)
    await world.redis.set(ledger, number ?? '')
    expect(await admitted(await world.worker({ policies }), 'p', 'alice', 20)).to.equal(10)
  })

  it('goes on over values in Redis that it has not written', async () => {
    const limiter = await world.worker({ policies: [policy('p', tenAMinute)] })
    await limiter.take('p', 'alice')
    const [ledger = ''] = await ledgersIn(world.redis)
    for (const damage of [
      () => world.redis.set(ledger, 'not a ledger'),
      () => world.redis.hset(ledger, 'twelve', 'many'),
      () => world.redis.set(ledger, '17'),
      () => world.redis.set(ledger, 'x'.repeat(26)),
      () => world.redis.set(ledger, Buffer.alloc(27, 255)),
      () => world.redis.set('{lm}:record', 'not a record'),
      () => world.redis.hset('{lm}:record', 'n', 'many'),
      () => world.redis.hset('{lm}:record', 'id', 'x', 'n', '1e300', 'run', 'y', 'ahead', '-1e300'),
    ]) {
      await world.redis.flushall()
      await damage()
      const fresh = await world.worker({ policies: [policy('p', tenAMinute)] })
      expect(await admitted(fresh, 'p', 'alice', 20)).to.equal(10)
    }
    const outside = openCoherence({ redis: world.redis, durability: 'keep', leaseMs: 1_000 })
    for (const text of ['not JSON', '["1","2","[1,2]"]']) await outside.announce('limits.lm', text)
    expect(await limiter.take('p', 'bob')).to.include({ allowed: true })
  })

  it('costs Redis no more than 123 bytes for a key that was asked for once', async () => {
    const rule = { limit: 1_000, windowMs: 600_000 }
    const limiter = await world.worker({ policies: [policy('p', rule)], maxKeys: 100 })
    const memory = async () => Number(/used_memory:(\d+)/.exec(await world.redis.info('memory'))?.[1])
    const ask = (from: number, count: number) =>
      Promise.all(Array.from({ length: count }, (_, i) => limiter.take('p', `user:${from + i}`)))
    await ask(-200, 200)
    const before = await memory()
    const count = 20_000
    for (let i = 0; i < count; i += 200) await ask(i, 200)
    expect(await ledgersIn(world.redis)).to.have.length(count + 200)
    await eventually(async () => expect((await memory()) - before).to.be.at.most(123 * count))
  })
})
