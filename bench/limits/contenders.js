/**
 * The limiters that are compared, behind one signature: `check(key)` says whether it is admitted, as a value or as a
 * promise. JavaScript, because what it imports is installed only where benchmarks are run.
 */
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { RedisStore } from 'rate-limit-redis'
import { systemClock } from '../../shared/kernel/clock.ts'
import { openCoherence } from '../../shared/coherence/index.ts'
import { createRateLimiter } from '../../shared/limits/rate-limiter.ts'

export const contenders = {
  async Lockstep({ redis, subscriber, limit, windowMs }) {
    const coherence = openCoherence({ redis, subscriber, durability: 'keep', leaseMs: 1_000 })
    await coherence.start()
    const policy = { name: 'p', rule: { limit, windowMs }, onOutage: 'closed', onDataLoss: 'trust' }
    const limiter = createRateLimiter({ redis, clock: systemClock, coherence, policies: [policy] })
    const allowed = (decision) => decision.allowed
    return (key) => {
      const decision = limiter.take('p', key)
      return decision instanceof Promise ? decision.then(allowed) : decision.allowed
    }
  },

  'rate-limiter-flexible': async (parts) => flexible(parts, {}),

  /** Its own memory of what it has denied. */
  'rate-limiter-flexible, block in memory': async (parts) =>
    flexible(parts, { inMemoryBlockOnConsumed: parts.limit }),

  async 'rate-limit-redis'({ redis, limit, windowMs }) {
    const store = new RedisStore({ sendCommand: (command, ...args) => redis.call(command, ...args) })
    store.init({ windowMs })
    return (key) => store.increment(key).then(({ totalHits }) => totalHits <= limit)
  },
}

function flexible({ redis, limit, windowMs }, more) {
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    points: limit,
    duration: windowMs / 1000,
    ...more,
  })
  const allowed = () => true
  const refused = (reason) => {
    if (reason instanceof Error) throw reason
    return false
  }
  return (key) => limiter.consume(key).then(allowed, refused)
}
