/**
 * The words of this part: what a session is, and what can be asked of it. Knows nothing of accounts, HTTP or
 * our environment, so that any Koa app can use it.
 */
import type { Proof } from '../coherence/index.ts'

/** Session data that the application keeps (`ctx.session`): JSON values by field name. */
export type SessionData = Record<string, unknown>

/** The user a session belongs to, as far as sessions must know. */
export interface Subject {
  readonly id: string
  readonly roles: readonly string[]
  /** Grows with every change of the user's record; an older record never overwrites a newer one of its lineage. */
  readonly version: number
  /**
   * Which history the versions belong to, where it can change: accounts that were restored from a backup begin another
   * one, and whatever it says replaces what is known. Absent: the versions of all times are compared.
   */
  readonly lineage?: string
  /** What the application wants at hand on every request without a database trip. */
  readonly profile: Readonly<Record<string, unknown>>
}

/** One session as its owner may see it. Carries no secret: `id` is public and opens nothing. */
export interface SessionInfo {
  readonly id: string
  readonly label: string | null
  readonly userAgent: string | null
  readonly ip: string | null
  readonly remember: boolean
  /** Milliseconds since 1970, on Redis' clock. */
  readonly createdAt: number
  readonly lastSeenAt: number
  /** When the session ends whatever its use. */
  readonly absoluteExpiresAt: number
}

/** Who is asking: what a valid session proves. Frozen and shared between requests; never modify it. */
export interface Identity {
  readonly user: Subject
  readonly session: SessionInfo
}

/** What the client told about itself at login. */
export interface Device {
  readonly label?: string | null
  readonly userAgent?: string | null
  readonly ip?: string | null
}

/**
 * How a revocation ended.
 *  - `revoked`: from now on no worker on any host accepts it.
 *  - `gone`: it was dead already (and no worker accepts it either).
 *  - `unconfirmed`: recorded or not, but not confirmed within the bound. Ask again: that is safe.
 * `proof` says of one that was confirmed which workers did so; it is absent where several were put together.
 */
export type Revocation =
  | { readonly outcome: 'revoked'; readonly count: number; readonly proof?: Proof }
  | { readonly outcome: 'gone'; readonly proof?: Proof }
  | { readonly outcome: 'unconfirmed'; readonly cause: unknown }

/**
 * How a change of a user's record ended. `ignored`: a newer version of the same lineage is known, so the record was not
 * taken. Either the caller's is out of date, or its versions went back; either way what it asked for is not in effect,
 * except that sessions ended if it disables the user (`count` of them). `knownVersion` is the newer one.
 */
export type SubjectUpdate =
  Revocation | { readonly outcome: 'ignored'; readonly count: number; readonly knownVersion: number }

/** What `prepareLogin` saw; `create` succeeds only if none of it has changed since. Opaque to callers. */
export interface LoginTicket {
  readonly userId: string
  readonly incarnation: string
  readonly generation: string
}

export type Created =
  | { readonly outcome: 'created'; readonly token: string; readonly identity: Identity }
  /** The user's sessions were revoked, or Redis changed, while the login was under way: nothing was created. */
  | { readonly outcome: 'superseded' }
  | { readonly outcome: 'disabled' }
  /** Whether the user's other sessions ended could not be confirmed, so the new one was withdrawn. Ask again. */
  | { readonly outcome: 'unconfirmed'; readonly cause: unknown }

export type Rotated =
  | {
      readonly outcome: 'rotated'
      readonly token: string
      readonly identity: Identity
      readonly proof?: Proof
    }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'unconfirmed'; readonly cause: unknown }

/** A session with its data, loaded from the authority. */
export interface LoadedData {
  readonly identity: Identity
  readonly data: SessionData
}

/** A change of the session's data: a value sets the field, `null` removes it; other fields stay as they are. */
export type DataChanges = Readonly<Record<string, unknown>>

/**
 * The sessions of this cluster, as one worker uses them. Tokens are bearer secrets: only their SHA-256
 * leaves the process. Every method that asks Redis throws `Unavailable` when it can't be asked within its
 * bound; only the revocations answer `unconfirmed` instead.
 */
export interface Sessions {
  /**
   * Whose token is it? `null` when it proves nothing (malformed, unknown, expired, revoked). Answers
   * synchronously when this worker may decide from its own memory. `beforeAsking` is called where Redis has to be asked;
   * what it throws is thrown instead.
   */
  authenticate(token: string, beforeAsking?: () => void): Identity | null | Promise<Identity | null>

  /**
   * The response gate (P2): is what `authenticate` answered for this token still true, so that data read in
   * between may be sent? Synchronous when this worker may decide from its own memory.
   */
  stillValid(token: string): boolean | Promise<boolean>

  /**
   * Asks Redis whose token it is and how long the session lives if it is not used. Does not count as use, and never
   * answers from memory.
   */
  peek(token: string): Promise<{ readonly identity: Identity; readonly leftMs: number } | null>

  /** First step of a login, before the password record is read. */
  prepareLogin(userId: string): Promise<LoginTicket>
  /**
   * Last step of a login. Creates a session if nothing the ticket saw has changed; ends the user's least recently
   * used sessions beyond the maximum (all others with `endOthers`); has every worker drop what it holds of the user.
   * The only way in which a session comes into being.
   */
  create(
    ticket: LoginTicket,
    login: { subject: Subject; remember?: boolean; device?: Device; endOthers?: boolean },
  ): Promise<Created>

  loadData(token: string): Promise<LoadedData | null>
  /**
   * Writes only the fields that are named. `gone` when the session is not valid any more, `too-large` when its data
   * would grow beyond the bound, whoever else writes at the same time: nothing is written.
   */
  saveData(token: string, changes: DataChanges): Promise<'saved' | 'gone' | 'too-large'>
  /** Changes the label its owner gave to the session. */
  relabel(token: string, label: string | null): Promise<'saved' | 'gone'>

  /**
   * The valid sessions of the user, newest first: all, or `most` of those that would expire last, after the `skip` first
   * of them.
   */
  list(userId: string, options?: { most?: number; skip?: number }): Promise<SessionInfo[]>

  /** Ends the session of this token. */
  revoke(token: string): Promise<Revocation>
  /** Ends one session of this user, by public id. Asking again after `unconfirmed` answers `revoked`, once that is true. */
  revokeById(userId: string, sessionId: string): Promise<Revocation>
  /** Ends all sessions of the user but that of `keep`, in constant time. Later logins are welcome. */
  revokeUser(userId: string, options?: { keep?: string }): Promise<Revocation>
  /**
   * Ends all sessions of the user but the token's own, which continues under a new token; the old one is dead.
   * `gone`: the token's own was dead already, and the others have ended all the same.
   */
  rotateAndRevokeOthers(userId: string, token: string): Promise<Rotated>
  /**
   * Makes a change of the user's record (roles, profile, disabled) effective on every worker. With `disabled`
   * every session of the user ends, whatever the version, and none can be created until it is lifted.
   */
  updateSubject(subject: Subject, options: { disabled: boolean }): Promise<SubjectUpdate>
}
