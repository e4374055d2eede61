import { expect } from 'chai'
import { openCoherence } from '../../shared/coherence/index.ts'
import { systemClock } from '../../shared/kernel/clock.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { createLoginGuard } from '../../shared/limits/login-guard.ts'
import { createRateLimiter, type RateLimiter } from '../../shared/limits/rate-limiter.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedisCluster } from '../support/redis-topology.ts'
import { admitted, policy } from './world.ts'

describe('The rate limiter on a Redis Cluster', function () {
  this.timeout(90_000)
  const cleanUp = cleanUpAfterEach()

  it('limits, unblocks on every worker before it says so, and guards a sign-in', async () => {
    const cluster = await startRedisCluster({ masters: 3, replicasPerMaster: 0 })
    cleanUp(() => cluster.stop())
    const target = { kind: 'cluster', url: cluster.url } as const

    async function worker(): Promise<RateLimiter> {
      const [redis, subscriber] = [openRedis(target, 'commands'), openRedis(target, 'subscriber')]
      const coherence = openCoherence({ redis, subscriber, durability: 'keep', leaseMs: 1_000 })
      const policies = [policy('p', { limit: 10, windowMs: 60_000 })]
      const limiter = createRateLimiter({ redis, clock: systemClock, coherence, policies })
      await coherence.start()
      cleanUp(async () => {
        await limiter.stop(deadlineIn(500))
        await coherence.stop(deadlineIn(500))
        redis.disconnect()
        subscriber.disconnect()
      })
      return limiter
    }

    const [one, two] = await Promise.all([worker(), worker()])
    expect((await admitted(one, 'p', 'alice', 20)) + (await admitted(two, 'p', 'alice', 20))).to.equal(10)
    for (const limiter of [one, two]) {
      await eventually(async () => {
        await limiter.take('p', 'alice')
        expect(limiter.take('p', 'alice')).to.include({ allowed: false })
      })
    }
    await one.reset('p', 'alice')
    expect((await admitted(two, 'p', 'alice', 20)) + (await admitted(one, 'p', 'alice', 20))).to.equal(10)

    const redis = openRedis(target, 'commands')
    cleanUp(() => redis.disconnect())
    const rules = { ip: 'off', account: { limit: 3, windowMs: 60_000 } } as const
    const guard = createLoginGuard({ redis, clock: systemClock, ...rules, busyMs: 0, holdMs: 0 })
    await guard.found()
    let tried = 0
    for (let i = 0; i < 6; i += 1) {
      const attempt = await guard.attempt({ ip: '192.0.2.1', account: 'alice' })
      if (!attempt.allowed) continue
      await attempt.count()
      tried += 1
    }
    expect(tried).to.equal(3)
  })
})
