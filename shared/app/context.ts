import type Koa from 'koa'
import type { SessionData, SessionInfo, Subject } from '../sessions/index.ts'
import type { RegisteredProfile, RegisteredRole } from './register.ts'
import type { Route } from './route.ts'
import type { Site } from './site.ts'

/** How the request says whose it is. */
export type Credential = 'cookie' | 'bearer'

/** The user of a session, with the application's own roles and profile. */
export interface AppUser extends Omit<Subject, 'roles' | 'profile'> {
  readonly roles: readonly RegisteredRole[]
  readonly profile: RegisteredProfile
}

/** Who is asking: what a valid session proves. Frozen and shared between requests; never modify it. */
export interface AppIdentity {
  readonly user: AppUser
  readonly session: SessionInfo
}

/** What the middleware has found out about a request so far. One literal makes it, so that its shape is stable. */
export interface AppState {
  readonly requestId: string
  readonly clientIp: string | null
  /** Did it reach us, or the proxies that we trust, over TLS? */
  readonly secure: boolean
  route: Route | null
  params: Readonly<Record<string, string>>
  /** `credential` without a `token`: something was presented that cannot be a token of ours. */
  credential: Credential | null
  token: string | null
  /** Set on routes that ask for it; null elsewhere. */
  identity: AppIdentity | null
  readonly work: RequestWork
}

/** What is done for requests, and when it should end. */
export interface RequestWork {
  signalOf(ctx: AppContext): AbortSignal
}

interface AppExtras {
  /** The session's own data, on the routes that koa-session is mounted on. */
  session: SessionData
  /** What all pages share: the name, the navigation, the frame. */
  readonly site: Site
}

export type AppContext = Koa.ParameterizedContext<AppState, AppExtras>
/**
 * A layer of ours. `next()` runs all layers inside this one, and gives a promise only when one of them has to wait:
 * what is answered from memory is answered within one turn of the event loop, without a promise for each layer.
 */
export type AppMiddleware = (ctx: AppContext, next: () => Promise<void> | void) => Promise<void> | void
export type KoaApp = Koa<AppState, AppExtras>

/** Who is asking, and for how long what is done for them should go on. */
export interface Asking {
  readonly identity: AppIdentity
  readonly token: string
  /**
   * Aborted when the session ends, the client has gone or the worker has to stop: `signal.reason.reason` says which
   * (`session-ended`, `access-lost`, `client-gone`, `worker-stopping`). Hand it on to what waits: `fetch(url, { signal })`.
   */
  readonly signal: AbortSignal
}

/** Who is asking, on a route that only signed-in users reach. */
export function requireIdentity(ctx: AppContext): Asking {
  const { identity, token } = ctx.state
  if (identity === null || token === null) throw new Error('this route lacks an access rule')
  return new AskedBy(identity, token, ctx)
}

/** A class: a getter in an object literal is defined anew for each request, which cost more than all else that `me` does. */
class AskedBy implements Asking {
  readonly identity: AppIdentity
  readonly token: string
  readonly #ctx: AppContext

  constructor(identity: AppIdentity, token: string, ctx: AppContext) {
    this.identity = identity
    this.token = token
    this.#ctx = ctx
  }

  /** Watching over the session has a price, which only those pay who ask for it. */
  get signal(): AbortSignal {
    return this.#ctx.state.work.signalOf(this.#ctx)
  }
}
