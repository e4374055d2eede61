/** `lockstep/settings`: what all processes of an application decide by, changed while they run. */
export { openSettings, type OpenSettings, type OpenSettingsOptions } from './open-settings.ts'
export type { GivenRedis, RedisClient } from '../domain/given-redis.ts'
export { ConfigurationError, NotStarted, Unavailable } from '../kernel/errors.ts'
export { z } from 'zod'
