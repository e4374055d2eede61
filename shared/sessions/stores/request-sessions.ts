/**
 * The sessions that one request deals with, for stores whose libraries only know `get`, `set` and `destroy`. What the
 * request has read it may change; what it has made, under an id that its library has just generated, it may create;
 * nothing else. So a session that someone ended stays ended, however late the request saves it.
 */
import { isDeepStrictEqual } from 'node:util'
import type { DataChanges, Device, SessionData } from '../sessions.ts'
import { NotStarted, Unavailable } from '../../kernel/errors.ts'
import { SessionFault } from '../session-fault.ts'
import type { RequestTicket, StoredSession, StoredSessions, StoredWriteOutcome } from './stored-sessions.ts'

export interface StoreOptions {
  /**
   * Whose session it is, by its data; null or undefined for a guest's. This is how signing in and out is noticed: a
   * session whose data begin to name a user is theirs from then on, and ends with all their sessions.
   */
  user(data: Readonly<SessionData>): string | number | null | undefined
}

export interface RequestSessions {
  /** Null when there is none: it may have ended, or never existed. */
  load(id: string): Promise<SessionData | null>
  /** Saves what the request has changed of it, or creates it. Rejects with a `SessionFault`. */
  save(id: string, data: SessionData): Promise<void>
  /** Writes the fields if the session is still there, and does not mind if it is not. */
  refresh(id: string, fields: DataChanges): Promise<void>
  end(id: string): Promise<void>
  /** What the request was last told of the session, for another reading of the same request. */
  standing(id: string): StoredSession | undefined
  adopt(id: string, standing: StoredSession): void
}

export interface RequestDependencies extends StoreOptions {
  readonly stored: StoredSessions
  /** Asked when something is saved. */
  readonly device: () => Device
}

export function createRequestSessions({ stored, device, user }: RequestDependencies): RequestSessions {
  const ticket = begin(stored)
  const known = new Map<string, StoredSession>()
  /** Asked for and not there. Never created: its id came from the client. */
  const missed = new Set<string>()
  /** A session of this request was found to have ended: what follows from it must not live on under another id. */
  let overtaken = false

  function ownerOf(data: SessionData): string | null {
    const owner = user(data)
    if (owner === null || owner === undefined) return null
    const id = String(owner)
    if (!/^(?:string|number)$/.test(typeof owner) || id === '' || id.length > 255) {
      throw new TypeError(
        'user(data) must give the id of a user, at most 255 characters, or null for a guest',
      )
    }
    return id
  }

  async function endOne(id: string): Promise<'ended' | 'gone'> {
    const ended = await asked(() => stored.end(id))
    if (ended.outcome === 'unconfirmed') {
      throw new SessionFault(
        'revocation-unconfirmed',
        'the session may not have ended on every worker: ask again',
        ended.cause,
      )
    }
    return ended.outcome === 'gone' ? 'gone' : 'ended'
  }

  return {
    async load(id) {
      const found = await asked(() => stored.load(id))
      if (!found) {
        missed.add(id)
        known.delete(id)
        return null
      }
      known.set(id, found)
      return structuredClone(found.data)
    },

    async save(id, given) {
      const data = JSON.parse(JSON.stringify(given)) as SessionData
      const before = known.get(id)
      if (!before && (overtaken || missed.has(id))) throw sessionGone()
      const userId = ownerOf(data)
      const changes = changesBetween(before?.data ?? {}, data)
      const was = before ? { userId: before.userId } : 'new'
      const outcome = await asked(() => stored.write(id, { was, userId, changes, ticket, device: device() }))
      if (outcome === 'gone') {
        overtaken = true
        known.delete(id)
        missed.add(id)
      }
      throwIfRefused(outcome)
      known.set(id, { userId, data })
    },

    async refresh(id, fields) {
      const before = known.get(id) ?? (await asked(() => stored.load(id)))
      if (!before) return
      const changes = JSON.parse(JSON.stringify(fields)) as SessionData
      const { userId } = before
      throwIfRefused(await stored.write(id, { was: { userId }, userId, changes, ticket }), 'gone is no fault')
    },

    async end(id) {
      // One that was asked for and was not there may have ended without having been confirmed.
      for (const other of missed) if (other !== id) await endOne(other)
      if (!known.has(id) && !missed.has(id)) return
      if ((await endOne(id)) === 'gone' && known.has(id)) overtaken = true
      known.delete(id)
      missed.add(id)
    },

    standing: (id) => known.get(id),
    adopt: (id, standing) => void known.set(id, standing),
  }
}

function sessionGone(): SessionFault {
  return new SessionFault('session-gone', 'the session ended while the request was served: nothing was saved')
}

function begin(stored: StoredSessions): RequestTicket {
  try {
    return stored.ticket()
  } catch (cause) {
    throw cause instanceof NotStarted ? new SessionFault('not-started', cause.message, cause) : cause
  }
}

/** Sessions that can't be asked are never an answer about one. */
async function asked<T>(question: () => T | Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    if (cause instanceof NotStarted) throw new SessionFault('not-started', cause.message, cause)
    if (!(cause instanceof Unavailable)) throw cause
    throw new SessionFault('unavailable', "the session store can't be asked right now", cause)
  }
}

function throwIfRefused(outcome: StoredWriteOutcome, gone?: 'gone is no fault'): void {
  switch (outcome) {
    case 'saved':
      return
    case 'gone':
      if (gone === undefined) throw sessionGone()
      return
    case 'taken':
      throw new TypeError('genid gave an id that a session has already: it must never give one twice')
    case 'superseded':
      throw new SessionFault(
        'sign-in-superseded',
        'the sessions of this user were ended while the request was served: sign in again',
      )
    case 'disabled':
      throw new SessionFault('user-disabled', 'this user may not sign in')
    case 'too-large':
      throw new SessionFault('session-data-too-large', 'the data of this session would grow beyond its bound')
  }
}

function changesBetween(before: SessionData, after: SessionData): DataChanges {
  const changes: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(after)) {
    if (!isDeepStrictEqual(before[field], value)) changes[field] = value
  }
  for (const field of Object.keys(before)) if (!(field in after)) changes[field] = undefined
  return changes
}
