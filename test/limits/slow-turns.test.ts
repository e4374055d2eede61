import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { eventually } from '../support/eventually.ts'
import { delayingAnswers, silentFor } from './redis-doubles.ts'
import { admitted, createWorld, policy, type World } from './world.ts'

const tenAMinute = { limit: 10, windowMs: 60_000 }

describe('The rate limiter in a process, or on a network, that is slow', () => {
  let world: World

  beforeEach(async () => {
    world = await createWorld()
  })
  afterEach(() => world.end())

  /** This process does nothing else for so long. */
  function stall(ms: number): void {
    const until = performance.now() + ms
    while (performance.now() < until);
  }

  const slowNetwork = (ms: number): Redis =>
    delayingAnswers(world.open(), () => new Promise((resolve) => setTimeout(resolve, ms)))

  for (const onOutage of ['open', 'closed'] as const) {
    it(`keeps a limit that is ${onOutage} in an outage when its event loop stalls for 1.1 s with a request under way`, async () => {
      const limiter = await world.worker({ policies: [policy('p', tenAMinute, { onOutage })] })
      await limiter.take('p', 'warm')
      const first = limiter.take('p', 'alice')
      await new Promise((resolve) => setImmediate(resolve))
      stall(1_100)
      expect(await first).to.include({ allowed: true })
      expect(limiter.metrics()).to.include({ mode: 'ledger', failures: 0 })
      expect(await admitted(limiter, 'p', 'alice', 5_000)).to.equal(9)
    })
  }

  it('uses what it is granted 60 ms away from Redis, with a window of one second', async () => {
    const limiter = await world.worker({
      redis: slowNetwork(60),
      policies: [policy('p', { limit: 100, windowMs: 1_000 })],
    })
    await limiter.take('p', 'warm')
    const { burned } = limiter.metrics()
    for (let i = 0; i < 10; i += 1) expect(await limiter.take('p', `key-${i}`)).to.include({ allowed: true })
    expect(limiter.metrics()).to.include({ mode: 'ledger', failures: 0, burned })
  })

  it('takes one failure for what it is, and several for an outage', async () => {
    const limiter = await world.worker({
      policies: [policy('open', tenAMinute, { onOutage: 'open' })],
      patienceMs: 100,
    })
    await limiter.take('open', 'alice')
    world.server.freeze()
    await limiter.take('open', 'bob')
    expect(limiter.metrics().mode).to.equal('ledger')
    world.server.thaw()
    await eventually(async () => {
      await limiter.take('open', 'carol')
      expect(await admitted(limiter, 'open', 'dave', 20)).to.equal(10)
    })
    world.server.freeze()
    for (let i = 0; i < 3; i += 1) await limiter.take('open', `key-${i}`)
    expect(limiter.metrics().mode).to.equal('outage')
    world.server.thaw()
  })

  it('takes the requests that fail together for one failure', async () => {
    const limiter = await world.worker({
      policies: [policy('p', tenAMinute, { onOutage: 'open' })],
      patienceMs: 100,
    })
    world.server.freeze()
    await Promise.all(Array.from({ length: 50 }, (_, i) => limiter.take('p', `key-${i}`)))
    expect(limiter.metrics()).to.include({ mode: 'ledger', unledgered: 50 })
    world.server.thaw()
  })

  it('lets a request that is never answered be the failure of those that were in it', async () => {
    let silent = false
    const redis = silentFor(world.open(), () => silent)
    const limiter = await world.worker({
      redis,
      policies: [policy('closed', tenAMinute), policy('open', tenAMinute, { onOutage: 'open' })],
      patienceMs: 400,
    })
    await limiter.take('open', 'warm')
    silent = true
    const failing = Promise.resolve(limiter.take('closed', 'alice')).catch((cause: unknown) => cause)
    await new Promise((resolve) => setTimeout(resolve, 20))
    silent = false
    expect(await admitted(limiter, 'open', 'alice', 20)).to.equal(10)
    expect(await failing).to.be.instanceOf(Unavailable)
    expect(await admitted(limiter, 'open', 'bob', 20)).to.equal(10)
    expect(limiter.metrics().mode).to.equal('ledger')
  })

  it('asks for all keys of one turn of the event loop together', async () => {
    const limiter = await world.worker({ policies: [policy('p', tenAMinute), policy('q', tenAMinute)] })
    await limiter.take('p', 'warm')
    const { trips } = limiter.metrics()
    await Promise.all([
      ...Array.from({ length: 20 }, (_, i) => limiter.take('p', `key-${i}`)),
      ...Array.from({ length: 20 }, (_, i) =>
        limiter.takeAll([
          { policy: 'p', key: `both-${i}` },
          { policy: 'q', key: `both-${i}` },
        ]),
      ),
    ])
    expect(limiter.metrics().trips - trips).to.equal(1)
  })
})
