/**
 * A store for koa-session, of the kind that lives for one request (`ContextStore`): so it knows what that request has
 * read, and never creates what someone ended meanwhile. A save that finds its session gone rejects (401), so
 * koa-session does not set the cookie again.
 */
import type { Device, SessionData } from '../sessions.ts'
import { createRequestSessions, type RequestSessions, type StoreOptions } from './request-sessions.ts'
import type { StoredSessions } from './stored-sessions.ts'

/** What is used of Koa's context. */
export interface KoaStoreContext {
  readonly ip?: string
  get(header: string): string
}

/** The class that koa-session takes as `ContextStore`. */
export type KoaSessionStore = new (ctx: KoaStoreContext) => {
  get(id: string): Promise<SessionData | null>
  set(id: string, data: SessionData): Promise<void>
  destroy(id: string): Promise<void>
}

/**
 * ```ts
 * app.use(session({ ContextStore: koaSessionStore(sessions, { user: (data) => data.userId }) }, app))
 * ```
 */
export function koaSessionStore(
  { stored }: { readonly stored: StoredSessions },
  { user }: StoreOptions,
): KoaSessionStore {
  return class LockstepStore {
    readonly #sessions: RequestSessions

    constructor(ctx: KoaStoreContext) {
      this.#sessions = createRequestSessions({ stored, user, device: () => deviceOf(ctx) })
    }

    get(id: string): Promise<SessionData | null> {
      return this.#sessions.load(id)
    }

    set(id: string, data: SessionData): Promise<void> {
      return this.#sessions.save(id, data)
    }

    destroy(id: string): Promise<void> {
      return this.#sessions.end(id)
    }
  }
}

function deviceOf(ctx: KoaStoreContext): Device {
  return { userAgent: ctx.get('User-Agent').slice(0, 400) || null, ip: ctx.ip ?? null }
}
