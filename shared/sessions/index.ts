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
  koaSessions,
  type KoaSessions,
  type KoaSessionsOptions,
  type SessionsContext,
  type SessionsMiddleware,
} from './koa.ts'
export type {
  Auth,
  AuthIdentity,
  AuthUser,
  ListedSession,
  SignedIn,
  SignInOptions,
  SignInResult,
  Verified,
  Verify,
} from './koa-auth.ts'
export * from './user-profile.ts'
export { SessionFault, type SessionFaultCode } from './session-fault.ts'
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
export { expressSessionStore, type ExpressSessionModule } from './stores/express-session.ts'
export { koaSessionStore, type KoaSessionStore, type KoaStoreContext } from './stores/koa-session.ts'
export type { StoreOptions } from './stores/request-sessions.ts'
export type {
  RequestTicket,
  StoredSession,
  StoredSessions,
  StoredWrite,
  StoredWriteOutcome,
} from './stores/stored-sessions.ts'
export type { Standings } from './standings.ts'
export { hashToken, isWellFormedToken } from './token.ts'
export { ambiguous, cookieCleared, cookieWith, readCookie, sessionCookieName } from './http/cookie.ts'
export { bearerToken, shownUserAgent } from './http/credential.ts'
export { changesSomething, crossSite, type CrossSite } from './http/cross-site.ts'
export type { GivenRedis, RedisClient } from '../domain/given-redis.ts'
export { ConfigurationError, NotStarted, Unavailable } from '../kernel/errors.ts'
