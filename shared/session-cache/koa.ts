/** Koa middleware over remote sessions: who asks, and signing out. */
import type Koa from 'koa'
import { NotStarted, Unavailable } from '../kernel/errors.ts'
import {
  ambiguous,
  bearerToken,
  changesSomething,
  cookieCleared,
  crossSite,
  readCookie,
  SessionFault,
  sessionCookieName,
} from '../sessions/index.ts'
import { IdentityServiceAway } from './identity-service.ts'
import type { RemoteSession } from './remote-session.ts'
import type { RemoteSessions } from './remote-sessions.ts'

export interface RemoteMiddlewareOptions {
  /** The cookie that carries the token, after `__Host-` where the request came over TLS; `sid`. */
  readonly cookieName?: string
  /** Whether people reach the application over TLS; `ctx.secure` decides unless it is given. */
  readonly secure?: boolean
  /** `false`: the application protects itself against requests that other sites make a browser send. */
  readonly csrf?: boolean
}

/** `ctx.remote`. Everything rejects with a `SessionFault` that says which status is meant. */
export interface RemoteAuth<Data = unknown> {
  /** Who asks, or null. */
  readonly session: RemoteSession<Data> | null
  /** Who asks; throws a 401 when no one does. */
  require(): RemoteSession<Data>
  /** Ends the session; when it resolves, no process accepts it any more. Clears the cookie, and answers 204. */
  signOut(): Promise<void>
}

export type RemoteMiddleware<Data> = (
  ctx: Koa.ParameterizedContext & { remote?: RemoteAuth<Data> },
  next: () => Promise<unknown>,
) => Promise<void>

/**
 * Puts `ctx.remote` on each request. An answer to GET or HEAD leaves only if the session still holds then. What can't be
 * found out is a 503, and never no one.
 */
export function koaRemoteSessions<Data>(
  remote: RemoteSessions<Data>,
  { cookieName, secure, csrf = true }: RemoteMiddlewareOptions = {},
): RemoteMiddleware<Data> {
  return async function remoteSessionsMiddleware(ctx, next) {
    const isSecure = secure ?? ctx.secure
    const { authorization, cookie } = ctx.req.headers
    const bearer = bearerToken(authorization)
    const token = bearer ?? readCookie(cookie, sessionCookieName(isSecure, cookieName))
    if (token === ambiguous) {
      throw new SessionFault('ambiguous-cookie', 'the session cookie was sent twice with different values')
    }
    const byCookie = bearer === null && token !== null
    if (csrf && byCookie && changesSomething(ctx.method)) requireOwnSite(ctx)

    // A route that never looks, and a logout, are not concerned by an outage.
    let session = await asked(async () => (token === null ? null : remote.get(token))).catch(
      (fault: Error) => fault,
    )
    let used = false
    const found = () => {
      if (session instanceof Error) throw session
      used = true
      return session
    }
    const auth: RemoteAuth<Data> = {
      get session() {
        return found()
      },
      require() {
        const known = found()
        if (known) return known
        throw new SessionFault(
          'unauthenticated',
          token === null ? 'sign in first' : 'the session has ended or never was',
        )
      },
      async signOut() {
        if (token !== null) await asked(() => remote.revoke(token))
        session = null
        if (byCookie) ctx.append('Set-Cookie', cookieCleared(isSecure, cookieName))
        ctx.status = 204
      },
    }
    ctx.remote = auth
    await next()
    const mustHold = used && session !== null && ctx.status < 300 && !changesSomething(ctx.method)
    if (mustHold && token !== null && !(await asked(async () => remote.stillValid(token)))) {
      throw new SessionFault('session-gone', 'the session ended while the request was being served')
    }
  }
}

function requireOwnSite(ctx: Koa.ParameterizedContext): void {
  const own = `${ctx.protocol}://${ctx.host}`
  const reason = crossSite(ctx.req, (origin) => origin === own)
  if (reason === null) return
  throw new SessionFault(
    'csrf',
    reason === 'unknown'
      ? 'a request with the session cookie that changes something needs Sec-Fetch-Site: same-origin or a matching Origin'
      : 'this request came from another site',
  )
}

async function asked<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    if (cause instanceof NotStarted) throw new SessionFault('not-started', cause.message, cause)
    if (!(cause instanceof Unavailable || cause instanceof IdentityServiceAway)) throw cause
    throw new SessionFault('unavailable', "it can't be found out right now who asks, please try again", cause)
  }
}
