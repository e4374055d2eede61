/**
 * `ctx.session`, by koa-session over our sessions, on the routes that use it. koa-session writes a whole session
 * back and would make a new one where it finds none; this store takes both away from it. It writes only the fields
 * that the request has changed, so that requests at the same time do not undo each other, and a session that is
 * gone stays gone: no record, no cookie. The cookie is not koa-session's business at all (`externalKey`).
 */
import session from 'koa-session'
import { isDeepStrictEqual } from 'node:util'
import type { DataChanges, SessionData, Sessions } from '../../../shared/sessions/index.ts'
import type { KoaApp, AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { problem } from '../../../shared/app/problem.ts'

export function createSessionDataMiddleware(
  app: KoaApp,
  sessions: Pick<Sessions, 'loadData' | 'saveData'>,
): AppMiddleware {
  class SessionDataStore {
    loaded: SessionData = {}

    async get(token: string): Promise<SessionData> {
      const found = await sessions.loadData(token)
      if (found === null) throw sessionGone('the session ended while the request was being served')
      this.loaded = found.data
      return structuredClone(found.data)
    }

    async set(token: string, data: SessionData): Promise<void> {
      if (token === nobody) {
        throw problem('unauthenticated', 'sign in first: without a session there is nothing to keep this in')
      }
      const changes = changesBetween(this.loaded, data)
      if (Object.keys(changes).length === 0) return
      const outcome = await sessions.saveData(token, changes)
      if (outcome === 'too-large') {
        throw problem('session-data-too-large', 'the data of this session would grow beyond its bound')
      }
      if (outcome === 'gone') throw sessionGone('the session ended meanwhile: nothing was saved')
    }

    /** Ending a session is a revocation, which every worker confirms: not to be had by `ctx.session = null`. */
    async destroy(): Promise<void> {
      throw new Error('end a session by revoking it, not through ctx.session')
    }
  }

  const middleware = session(
    {
      ContextStore: SessionDataStore,
      externalKey: {
        // Whose session it is was decided before. Someone who is not signed in has no session to keep anything in.
        get: ({ state }: AppContext): string | null => (state.identity === null ? null : state.token),
        set: () => {},
      },
      genid: () => nobody,
      // Its own idea of expiry would be stored among the data; ours is with the session.
      maxAge: 'session',
    },
    app as never,
  ) as AppMiddleware
  guardAccess(app)
  return middleware
}

/** The key that koa-session is given to store what someone who is not signed in has written. */
const nobody = 'nobody'

/**
 * koa-session defines `ctx.session` for the whole application, and saves it only where its middleware runs: elsewhere
 * everything written is lost without a word. So elsewhere it throws.
 */
function guardAccess(app: KoaApp): void {
  const session = Object.getOwnPropertyDescriptor(app.context, 'session')
  if (session?.get === undefined || session.set === undefined) throw new TypeError('koa-session has changed')
  const { get, set } = session
  Object.defineProperty(app.context, 'session', {
    configurable: true,
    get(this: AppContext): unknown {
      requireFlag(this)
      return get.call(this)
    },
    set(this: AppContext, value: unknown) {
      requireFlag(this)
      set.call(this, value)
    },
  })
}

function requireFlag({ state: { route } }: AppContext): void {
  if (route?.session === true) return
  const where = route
    ? `the route ${route.method} ${route.path}`
    : 'middleware that runs before the route is known'
  throw new Error(
    `ctx.session is not there in ${where}: only routes that say session: true and mounts have it`,
  )
}

/** koa-session keeps its own notes in fields that begin with an underscore; they are not data. */
function changesBetween(before: SessionData, after: SessionData): DataChanges {
  const changes: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(after)) {
    if (!field.startsWith('_') && !isDeepStrictEqual(before[field], value)) changes[field] = value ?? null
  }
  for (const field of Object.keys(before)) {
    if (!(field in after)) changes[field] = null
  }
  return changes
}

function sessionGone(detail: string) {
  return problem('session-gone', detail)
}
