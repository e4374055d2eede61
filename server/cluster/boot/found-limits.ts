import type { RedisTarget } from '../../../shared/config/config.ts'
import { systemClock } from '../../../shared/kernel/clock.ts'
import { createLoginGuard } from '../../../shared/limits/login-guard.ts'
import { createRateLimiter } from '../../../shared/limits/rate-limiter.ts'
import { deadlineIn, group } from '../../../shared/kernel/lifecycle.ts'
import { openRedis, redisService } from '../../../shared/kernel/redis/connections.ts'

/**
 * Says that nothing has been counted before, so that limits need not make up for what may have been lost. Only for an installation that is new; where limits have been kept it changes nothing.
 */
export async function foundLimits(
  target: Exclude<RedisTarget, { kind: 'embedded' }>,
  prefix: string,
): Promise<void> {
  const redis = openRedis(target, 'commands', { name: 'primary' })
  const limiter = createRateLimiter({ redis, clock: systemClock, prefix, policies: [] })
  const guard = createLoginGuard({ redis, clock: systemClock, prefix, ip: 'off', account: 'off' })
  const services = group([redisService(redis), limiter])
  await services.start()
  try {
    await limiter.found()
    await guard.found()
  } finally {
    await services.stop(deadlineIn(1_000))
  }
}
