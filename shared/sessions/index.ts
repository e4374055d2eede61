/** `lockstep/sessions`: sessions that are served from memory and end everywhere. What this part lets others use. */
export type { SessionCache } from './cache/session-cache.ts'
export {
  createSessions,
  type Invalidated,
  type SessionCacheMode,
  type SessionCounters,
  type SessionOptions,
  type SessionService,
} from './create-sessions.ts'
export {
  openSessions,
  type OpenSessions,
  type OpenSessionsOptions,
  type SessionLifetimes,
} from './open-sessions.ts'
export type {
  Created,
  DataChanges,
  Device,
  Identity,
  LoadedData,
  LoginTicket,
  Revocation,
  Rotated,
  SessionData,
  SessionInfo,
  Sessions,
  Subject,
  SubjectUpdate,
} from './sessions.ts'
export { isWellFormedToken } from './token.ts'
export type { GivenRedis, RedisClient } from '../domain/given-redis.ts'
export { ConfigurationError, NotStarted, Unavailable } from '../kernel/errors.ts'
