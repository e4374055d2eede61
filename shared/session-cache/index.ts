/** `lockstep/session-cache`: sessions that another service validates, cached, and ended everywhere. */
export {
  koaRemoteSessions,
  type RemoteAuth,
  type RemoteMiddleware,
  type RemoteMiddlewareOptions,
} from './koa.ts'
export {
  remoteSessions,
  type Asking,
  type RemoteCounters,
  type RemoteHealth,
  type RemoteSessions,
  type RemoteSessionsOptions,
  type RemoteTicket,
} from './remote-sessions.ts'
export { UnusableAnswer, type RemoteSession } from './remote-session.ts'
export { IdentityServiceAway } from './identity-service.ts'
export type { DomainOptions, DomainService } from '../domain/open-domain.ts'
export type { GivenRedis, RedisClient } from '../domain/given-redis.ts'
export { ConfigurationError, NotStarted, Unavailable } from '../kernel/errors.ts'
export { SessionFault, type SessionFaultCode } from '../sessions/index.ts'
