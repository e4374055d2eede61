/** `lockstep/limits`: strict limits over all processes of an application. What this part lets others use. */
export type { JointDecision, RateDecision, Refusal } from './decision.ts'
export {
  koaLimits,
  type KoaLimitDescription,
  type KoaLimits,
  type KoaLimitsOptions,
  type LimitContext,
  type LimitKey,
  type LimitMiddleware,
  type LimitRefusal,
} from './koa.ts'
export {
  openLimiter,
  type LimitDescription,
  type OpenLimiter,
  type OpenLimiterOptions,
} from './open-limiter.ts'
export type { LimitPolicy, LimitRule, OnDataLoss, OnOutage } from './policy.ts'
export type { Inspection } from './rate-limiter.ts'
export type { GivenRedis, RedisClient } from '../domain/given-redis.ts'
export { ConfigurationError, NotStarted, Unavailable } from '../kernel/errors.ts'
