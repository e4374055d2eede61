/**
 * `ctx.session`, by koa-session over our sessions, on the routes that use it. koa-session writes a whole session
 * back and would make a new one where it finds none; this store takes both away from it. It writes only the fields
 * that the request has changed, so that requests at the same time do not undo each other, and a session that is
 * gone stays gone: no record, no cookie. The cookie is not koa-session's business at all (`externalKey`).
 */
import session from 'koa-session'
import { isDeepStrictEqual } from 'node:util'
import type { DataChanges, SessionData, Sessions } from '../../../shared/sessions/sessions.ts'
import {
  requireIdentity,
  type App,
  type AppContext,
  type AppMiddleware,
} from '../../../shared/app/context.ts'
import { problem } from '../../../shared/app/problem.ts'

export function createSessionDataMiddleware(
  app: App,
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
      const changes = changesBetween(this.loaded, data)
      if (Object.keys(changes).length === 0) return
      const outcome = await sessions.saveData(token, changes)
      if (outcome === 'gone') throw sessionGone('the session ended meanwhile: nothing was saved')
    }

    /** Ending a session is a revocation, which every worker confirms: not to be had by `ctx.session = null`. */
    async destroy(): Promise<void> {
      throw new Error('end a session by revoking it, not through ctx.session')
    }
  }

  return session(
    {
      ContextStore: SessionDataStore,
      externalKey: {
        get: (ctx: AppContext) => requireIdentity(ctx).token,
        set: () => {},
      },
      // Its own idea of expiry would be stored among the data; ours is with the session.
      maxAge: 'session',
    },
    app,
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
