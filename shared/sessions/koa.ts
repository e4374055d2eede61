/**
 * Sessions for a Koa application:
 *
 * ```ts
 * const sessions = koaSessions({ name: 'shop', redis: 'redis://127.0.0.1:6379' })
 * app.use(sessions.middleware())                                     // ctx.auth.identity, from memory
 * router.post('/login', (ctx) => ctx.auth.signIn(userId, () => verify(ctx)))
 * router.post('/logout', (ctx) => ctx.auth.signOut())                // true everywhere, else 503
 * await sessions.start()
 * ```
 *
 * What holds: a request that is sent after a sign-out was answered is accepted by no process that opened the same name.
 * An answer to GET or HEAD that used the identity is sent only if the session still lives then (`gate`). Redis that can't
 * be asked is a 503, never a 401.
 */
import type Koa from 'koa'
import { ConfigurationError } from '../kernel/errors.ts'
import { createAuth, type Auth, type AuthSettings } from './koa-auth.ts'
import { openSessions, type OpenSessions, type OpenSessionsOptions } from './open-sessions.ts'
import { SessionFault } from './session-fault.ts'

export interface KoaSessionsOptions extends OpenSessionsOptions {
  /** What the cookie is called, after `__Host-` where the request came over TLS; `sid`. */
  readonly cookieName?: string
  /**
   * Whether people reach the application over TLS, for the cookie's `__Host-` and `Secure`. `ctx.secure` decides unless
   * it is given: behind a proxy that needs `app.proxy = true`.
   */
  readonly secure?: boolean
  /**
   * Requests that change something and carry the cookie must come from this application's own pages, as browsers say in
   * Sec-Fetch-Site or Origin. `origins` names other sites that may send them too. `false`: the application has its own
   * protection.
   */
  readonly csrf?: false | { readonly origins: readonly string[] }
  /** `Authorization: Bearer <token>` works as the cookie does; true. */
  readonly bearer?: boolean
  /** The response gate, for GET and HEAD; true. */
  readonly gate?: boolean
  /** Answers what went wrong with a session, instead of Koa's own error handling. */
  readonly onError?: (ctx: Koa.ParameterizedContext, fault: SessionFault) => unknown
}

/** What the middleware adds to a context. */
export interface SessionsContext {
  readonly auth: Auth
}

declare module 'koa' {
  interface DefaultContext {
    /** Of `koaSessions().middleware()`. */
    readonly auth: Auth
  }
}

export type SessionsMiddleware = (
  ctx: Koa.ParameterizedContext<Koa.DefaultState, Koa.DefaultContext>,
  next: () => Promise<unknown>,
) => Promise<unknown>

export interface KoaSessions extends OpenSessions {
  /** For `app.use`, before everything that asks who is there. */
  middleware(): SessionsMiddleware
}

/** Throws a `ConfigurationError` with everything that is wrong with the options. Connects at `start()`. */
export function koaSessions(options: KoaSessionsOptions): KoaSessions {
  const problems = httpProblems(options)
  if (problems.length > 0) throw new ConfigurationError(problems)
  const sessions = openSessions(options)
  const settings: AuthSettings = {
    sessions,
    cookieName: options.cookieName,
    secure: options.secure,
    bearer: options.bearer ?? true,
    csrf: options.csrf ?? { origins: [] },
  }
  const gate = options.gate ?? true
  const { onError } = options

  /** Without a promise of its own wherever this process knows the answer: it is run for every request. */
  function sessionsMiddleware(ctx: Koa.ParameterizedContext, next: () => Promise<unknown>): Promise<unknown> {
    const auth = createAuth(ctx, settings)
    ;(ctx as { auth: Auth }).auth = auth
    const finish = () => {
      const gating = gate && auth.mustStillHold() ? auth.requireStillValid() : undefined
      return gating ?? auth.answerIfNobodyDid()
    }
    const asking = auth.identify()
    return asking ? asking.then(next).then(finish) : next().then(finish)
  }

  return {
    ...sessions,
    get counters() {
      return sessions.counters
    },
    middleware: () => (onError ? (ctx, next) => answerFaults(ctx, next, onError) : sessionsMiddleware),
  }

  async function answerFaults(
    ctx: Koa.ParameterizedContext,
    next: () => Promise<unknown>,
    answer: NonNullable<typeof onError>,
  ): Promise<void> {
    try {
      await sessionsMiddleware(ctx, next)
    } catch (fault) {
      if (!(fault instanceof SessionFault)) throw fault
      withdrawAnswer(ctx)
      ctx.set(fault.headers)
      ctx.status = fault.status
      await answer(ctx, fault)
    }
  }
}

/** What was answered before the session was found to have ended must not leave. */
function withdrawAnswer(ctx: Koa.ParameterizedContext): void {
  ctx.remove('Content-Type')
  ctx.body = undefined
}

function httpProblems({ cookieName, csrf }: KoaSessionsOptions): string[] {
  const problems: string[] = []
  if (cookieName !== undefined && !/^[\w-]{1,64}$/.test(cookieName)) {
    problems.push(`cookieName is ${JSON.stringify(cookieName)}: it has letters, digits, _ and - only`)
  }
  if (typeof cookieName === 'string' && /^__(Host|Secure)-/i.test(cookieName)) {
    problems.push('cookieName gets its __Host- where the request came over TLS: leave that out')
  }
  for (const origin of csrf ? csrf.origins : []) {
    if (URL.canParse(origin) && new URL(origin).origin === origin) continue
    problems.push(
      `csrf.origins has ${JSON.stringify(origin)}: an origin is scheme, host and port, as https://app.example.com`,
    )
  }
  return problems
}
