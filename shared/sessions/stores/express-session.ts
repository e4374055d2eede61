/**
 * A store for express-session. Its stores are shared by all requests and asked to write whatever they are given, which
 * is how a request that is late revives a session. This one remembers, for each request, what it has read and which ids
 * express-session has generated for it; whatever else it is given to write, it changes only what is there.
 *
 * express-session hands over the request where it makes a session object (`generate`, `createSession`); everything is
 * remembered by these objects, so nothing outlives the request and no id has to be recognised by its form.
 */
import type { IncomingMessage } from 'node:http'
import type { Device, SessionData } from '../sessions.ts'
import { createRequestSessions, type RequestSessions, type StoreOptions } from './request-sessions.ts'
import type { StoredSessions } from './stored-sessions.ts'

type Done<T = void> = (fault?: unknown, value?: T | null) => void

/** What express-session makes of a session. */
interface SessionObject {
  readonly id: string
  readonly cookie: unknown
}

interface SessionRequest extends IncomingMessage {
  readonly ip?: string
  sessionID: string
  session?: SessionObject
}

interface ExpressStoreBase {
  createSession(request: SessionRequest, data: object): SessionObject
}

/** What the store needs of `import session from 'express-session'`. */
export interface ExpressSessionModule<Store extends object> {
  readonly Store: abstract new () => Store
}

/**
 * ```ts
 * app.use(session({ store: expressSessionStore(session, sessions, { user: (data) => data.userId }), ... }))
 * ```
 */
export function expressSessionStore<Store extends object>(
  session: ExpressSessionModule<Store>,
  { stored }: { readonly stored: StoredSessions },
  { user }: StoreOptions,
): Store {
  const Base = session.Store as unknown as new () => ExpressStoreBase

  class LockstepStore extends Base {
    /** Set by express-session, to make the session of a request that has none. */
    #generate: ((request: SessionRequest) => void) | undefined
    readonly #requests = new WeakMap<object, RequestSessions>()
    readonly #origins = new WeakMap<RequestSessions, SessionRequest>()
    readonly #owners = new WeakMap<object, RequestSessions>()
    /** Who has read what `get` gave; taken over by the request that it is made a session for. */
    readonly #readers = new WeakMap<object, RequestSessions>()
    /** Who has just asked for a session that is not there; its request comes next, in the same turn. */
    #asking: RequestSessions | null = null

    get generate(): ((request: SessionRequest) => void) | undefined {
      return this.#generate && ((request) => this.#make(request))
    }

    set generate(generate: (request: SessionRequest) => void) {
      this.#generate = generate
    }

    get(id: string, done: Done<object>): void {
      let reader: RequestSessions
      try {
        reader = this.#open()
      } catch (fault) {
        return void process.nextTick(done, fault)
      }
      settle(reader.load(id), (fault, data) => {
        const found = data && !isOver(data) ? data : null
        if (found) this.#readers.set(found, reader)
        this.#asking = reader
        try {
          done(fault, found)
        } finally {
          this.#asking = null
        }
      })
    }

    set(id: string, given: object, done: Done = ignore): void {
      const owner = this.#owners.get(given)
      settle(owner ? owner.save(id, given as SessionData) : this.#replace(id, given as SessionData), done)
    }

    touch(id: string, given: SessionObject, done: Done = ignore): void {
      settle(
        this.#with(given, (owner) => owner.refresh(id, { cookie: given.cookie })),
        done,
      )
    }

    destroy(id: string, done: Done = ignore): void {
      settle(
        this.#with(null, async (owner) => {
          await owner.load(id)
          await owner.end(id)
        }),
        done,
      )
    }

    regenerate(request: SessionRequest, done: Done): void {
      settle(this.#requestOf(request).end(request.sessionID), (fault) => {
        if (!fault) this.#make(request)
        done(fault)
      })
    }

    override createSession(request: SessionRequest, data: object): SessionObject {
      const reader = this.#readers.get(data)
      const made = super.createSession(request, data)
      if (reader) this.#continue(request, reader, made.id)
      this.#remember(request, made)
      return made
    }

    #make(request: SessionRequest): void {
      if (!this.#generate) throw new Error('the store belongs to no express-session yet')
      if (this.#asking && !this.#requests.has(request)) this.#begin(request, this.#asking)
      // Before it has a session, so that a request that can't have one is not given a cookie either.
      this.#requestOf(request)
      this.#generate(request)
      if (request.session) this.#remember(request, request.session)
    }

    #remember(request: SessionRequest, made: SessionObject): void {
      const sessions = this.#requestOf(request)
      this.#owners.set(made, sessions)
      const destroy = (done: Done = ignore): SessionObject => {
        delete request.session
        settle(sessions.end(made.id), done)
        return made
      }
      Object.defineProperty(made, 'destroy', { configurable: true, writable: true, value: destroy })
    }

    #requestOf(request: SessionRequest): RequestSessions {
      return this.#requests.get(request) ?? this.#begin(request, this.#open())
    }

    #begin(request: SessionRequest, sessions: RequestSessions): RequestSessions {
      this.#requests.set(request, sessions)
      this.#origins.set(sessions, request)
      return sessions
    }

    /** What was read belongs to the request from now on; a second reading (`reload`) joins the first. */
    #continue(request: SessionRequest, reader: RequestSessions, id: string): void {
      const first = this.#requests.get(request)
      const standing = reader.standing(id)
      if (!first) this.#begin(request, reader)
      else if (standing) first.adopt(id, standing)
    }

    #open(): RequestSessions {
      const device = (): Device => deviceOf(this.#origins.get(sessions))
      const sessions = createRequestSessions({ stored, user, device })
      return sessions
    }

    async #with<T>(given: object | null, work: (owner: RequestSessions) => Promise<T>): Promise<T> {
      return work((given && this.#owners.get(given)) ?? this.#open())
    }

    /** Given by another party than express-session: changes a session that is there, and makes none. */
    async #replace(id: string, data: SessionData): Promise<void> {
      const owner = this.#open()
      await owner.load(id)
      await owner.save(id, data)
    }
  }

  return new LockstepStore() as unknown as Store
}

function deviceOf(request: SessionRequest | undefined): Device {
  return {
    userAgent: request?.headers?.['user-agent']?.slice(0, 400) ?? null,
    ip: request?.ip ?? request?.socket?.remoteAddress ?? null,
  }
}

/** Whether the cookie's own time is over, as express-session has set it. */
function isOver({ cookie }: SessionData): boolean {
  const expires = (cookie as { expires?: unknown } | null | undefined)?.expires
  if (typeof expires !== 'string') return cookie === undefined || cookie === null || expires instanceof Date
  return !(Date.parse(expires) > Date.now())
}

function ignore(): void {}

/** Calls back as Node does: what the callback throws is nobody's rejection. */
function settle<T>(work: Promise<T>, done: Done<T>): void {
  work.then(
    (value) => void process.nextTick(done, null, value),
    (fault: unknown) => void process.nextTick(done, fault),
  )
}
