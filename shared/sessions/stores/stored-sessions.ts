/**
 * The sessions of an application's own store (koa-session, express-session): records of data under ids that the
 * application's library makes, with or without a user. What holds for every session holds for them: creating is not
 * updating, absence is an end, and an end is true on every worker when it is answered.
 */
import type { Stamp } from '../../coherence/index.ts'
import type { DataChanges, Device, Revocation, SessionData } from '../sessions.ts'

/**
 * How far Redis was when a request began. A sign-in in that request is refused when the user was revoked after it, since
 * it may rest on what was true before (an old password). Names no user: no one knows yet who will sign in.
 */
export type RequestTicket = Stamp

/** A session as a request has read it. */
export interface StoredSession {
  /** Null: no one has signed in. */
  readonly userId: string | null
  readonly data: SessionData
}

export interface StoredWrite {
  /** What the writer takes the session for: one that it makes, or one that has this user (null: none). */
  readonly was: 'new' | { readonly userId: string | null }
  /** Whose it is from now on. */
  readonly userId: string | null
  /** A value sets the field, null included; `undefined` removes it. */
  readonly changes: DataChanges
  readonly ticket: RequestTicket
  readonly device?: Device
}

/**
 *  - `gone`: it has ended, or another user has it now. Nothing was written.
 *  - `taken`: the id of a new session is not new.
 *  - `superseded`: the user's sessions were ended, or Redis changed, while the request was served.
 */
export type StoredWriteOutcome = 'saved' | 'gone' | 'taken' | 'superseded' | 'disabled' | 'too-large'

/** Every method throws `Unavailable` when Redis can't be asked; only `end` answers `unconfirmed` instead. */
export interface StoredSessions {
  /** To be taken when a request begins. Throws before the sessions are started. */
  ticket(): RequestTicket
  /** Asks Redis, always: what it answers is true on every worker. */
  load(id: string): Promise<StoredSession | null>
  write(id: string, write: StoredWrite): Promise<StoredWriteOutcome>
  end(id: string): Promise<Revocation>
}
