/** `ctx.auth`: who asks, and signing in and out, for one request of a Koa application. */
import type Koa from 'koa'
import { NotStarted, Unavailable } from '../kernel/errors.ts'
import { ambiguous, cookieCleared, cookieWith, readCookie, sessionCookieName } from './http/cookie.ts'
import { bearerToken, shownUserAgent } from './http/credential.ts'
import { changesSomething, crossSite } from './http/cross-site.ts'
import type { OpenSessions } from './open-sessions.ts'
import { SessionFault } from './session-fault.ts'
import type {
  Created,
  DataChanges,
  Identity,
  Revocation,
  SessionData,
  SessionInfo,
  Subject,
} from './sessions.ts'
import { isWellFormedToken } from './token.ts'
import type { UserProfile } from './user-profile.ts'

/** The user of a session; `profile` is what `verify` said of the user at the last sign-in. */
export interface AuthUser extends Omit<Subject, 'profile'> {
  readonly profile: Readonly<UserProfile & Record<string, unknown>>
}

/** Who is asking: what a valid session proves. Frozen and shared between requests; never modify it. */
export interface AuthIdentity {
  readonly user: AuthUser
  readonly session: SessionInfo
}

/** Whom `verify` may answer: the user, with what should be at hand on every request. */
export interface SignedIn {
  readonly id: string
  readonly roles?: readonly string[]
  readonly profile?: Readonly<UserProfile & Record<string, unknown>>
  /** Grows with every change of the user's record, where there is such a number; an older one never replaces a newer. */
  readonly version?: number
  readonly lineage?: string
}

/** Whether the secret is right; `null` and `false`: no. A throw is an outage. */
export type Verified = SignedIn | boolean | null | undefined
export type Verify = () => Verified | Promise<Verified>

export interface SignInOptions {
  /** Stay signed in when the browser is closed. */
  readonly remember?: boolean
  /** A name for this session, such as "work laptop". */
  readonly label?: string
  /** End the user's other sessions. */
  readonly endOthers?: boolean
  /** `token`: no cookie is set, the token is in the answer, for `Authorization: Bearer`. */
  readonly transport?: 'cookie' | 'token'
}

export interface SignInResult extends AuthIdentity {
  /** A bearer secret: send it to its owner, and nowhere else. */
  readonly token: string
}

export interface ListedSession extends SessionInfo {
  /** It is the one that asks. */
  readonly current: boolean
}

/** Everything rejects with a `SessionFault` that says which status is meant. */
export interface Auth {
  /**
   * Who asks, or null. Throws a 503 when that could not be found out: a route that never looks is not concerned by an
   * outage.
   */
  readonly identity: AuthIdentity | null
  /** Who asks; throws a 401 when no one does. */
  require(): AuthIdentity
  /**
   * Signs in. What must not change meanwhile (the password, the roles) is read in `verify`: whatever ends the user's
   * sessions while it runs voids this sign-in too. `null` for a user that does not exist: `verify` runs all the same, so
   * that it takes the same time, and is refused. The session that the request had is ended first. Answered with 204 if
   * nothing else is.
   */
  signIn(userId: string | null, verify: Verify, options?: SignInOptions): Promise<SignInResult>
  /** Signs in someone whom another party has verified already, such as a provider of OpenID Connect. */
  signIn(user: SignedIn, options?: SignInOptions): Promise<SignInResult>
  /**
   * Ends the session of this request. When it resolves no process accepts it any more, also if it was dead before; 503
   * when that can't be confirmed, and the cookie stays so that the user can ask again. 204 if nothing else is answered.
   */
  signOut(): Promise<void>
  /** Ends all sessions of the user; resolves with how many. With `keepCurrent` all but this one. */
  signOutEverywhere(options?: { keepCurrent?: boolean }): Promise<number>
  /** Ends one session of the user, by the `id` that `sessions()` shows; false when there is none. */
  endSession(sessionId: string): Promise<boolean>
  /** The user's sessions, newest first. */
  sessions(): Promise<ListedSession[]>
  /** What the application keeps in this session. */
  data(): Promise<SessionData>
  /** Writes the fields that are named; `null` removes one. 401 when the session has ended: nothing is written. */
  save(changes: DataChanges): Promise<void>
}

export interface AuthSettings {
  readonly sessions: OpenSessions
  readonly cookieName: string | undefined
  readonly secure: boolean | undefined
  readonly bearer: boolean
  readonly csrf: false | { readonly origins: readonly string[] }
}

type Context = Koa.ParameterizedContext

/** As the middleware uses it. */
export interface RequestAuth extends Auth {
  /** Finds out who asks; a promise when Redis has to be asked. */
  identify(): Promise<void> | undefined
  /** Whether what is answered depends on the session. */
  mustStillHold(): boolean
  /** A promise when Redis has to be asked. */
  requireStillValid(): Promise<void> | undefined
  answerIfNobodyDid(): void
}

export function createAuth(ctx: Context, settings: AuthSettings): RequestAuth {
  return new AuthOfRequest(ctx, settings)
}

/** Whose ticket is taken when the user is unknown, so that Redis is asked the same. */
const nobody = 'nobody'

interface RequestState {
  readonly ctx: Context
  readonly settings: AuthSettings
  credential: 'cookie' | 'bearer' | null
  token: string | null
  identity: AuthIdentity | null
  /** Why it is not known who asks. */
  fault: unknown
  /** Someone looked who asks. */
  used: boolean
  /** Something was done that an answer without a body confirms. */
  acted: boolean
}

/**
 * A class, since one is made for each request: its methods are not. Its state is one private field, which no one prints by
 * accident (it has the token), and which costs less than one for each of its members.
 */
class AuthOfRequest implements RequestAuth {
  readonly #state: RequestState

  constructor(ctx: Context, settings: AuthSettings) {
    this.#state = {
      ctx,
      settings,
      credential: null,
      token: null,
      identity: null,
      fault: null,
      used: false,
      acted: false,
    }
  }

  identify(): Promise<void> | undefined {
    this.#readCredential()
    if (this.#state.credential === 'cookie' && changesSomething(this.#state.ctx.req.method))
      this.#requireOwnSite(true)
    const token = this.#state.token
    if (token === null) {
      this.#requireStarted()
      return undefined
    }
    try {
      const found = this.#state.settings.sessions.authenticate(token)
      if (!(found instanceof Promise)) {
        this.#state.identity = found as AuthIdentity | null
        return undefined
      }
      return found.then(
        (identity) => void (this.#state.identity = identity as AuthIdentity | null),
        (cause: unknown) => void (this.#state.fault = outage(cause)),
      )
    } catch (cause) {
      this.#state.fault = outage(cause)
      return undefined
    }
  }

  /** Nothing is asked without a token, and yet a program that forgot to start must not look as if it worked. */
  #requireStarted(): void {
    try {
      this.#state.settings.sessions.domain.use()
    } catch (cause) {
      this.#state.fault = outage(cause)
    }
  }

  get identity(): AuthIdentity | null {
    if (this.#state.fault !== null) throw this.#state.fault
    this.#state.used = true
    return this.#state.identity
  }

  require(): AuthIdentity {
    const { identity } = this
    if (identity !== null) return identity
    throw new SessionFault(
      'unauthenticated',
      this.#state.credential === null ? 'sign in first' : 'the session has ended or never was: sign in again',
    )
  }

  mustStillHold(): boolean {
    const { method } = this.#state.ctx.req
    return (
      this.#state.used &&
      this.#state.identity !== null &&
      this.#state.token !== null &&
      (method === 'GET' || method === 'HEAD') &&
      this.#state.ctx.status < 300
    )
  }

  requireStillValid(): Promise<void> | undefined {
    const valid = stillValid(this.#state)
    if (valid === true) return undefined
    return asked(async () => valid).then(requireTrue)
  }

  answerIfNobodyDid(): void {
    const ctx = this.#state.ctx
    if (!this.#state.acted || ctx.respond === false || ctx.headerSent) return
    if (ctx.status === 404 && (ctx.body === undefined || ctx.body === null)) ctx.status = 204
  }

  async signIn(
    who: string | null | SignedIn,
    verifyOrOptions?: Verify | SignInOptions,
    more?: SignInOptions,
  ): Promise<SignInResult> {
    const verify = typeof verifyOrOptions === 'function' ? verifyOrOptions : null
    const options = (verify ? more : (verifyOrOptions as SignInOptions | undefined)) ?? {}
    if (verify === null && (typeof who !== 'object' || who === null)) {
      throw new TypeError('signIn needs verify beside the id of a user: signIn(userId, () => verify(ctx))')
    }
    const id = typeof who === 'object' ? (who?.id ?? null) : who
    if (id !== null && (typeof id !== 'string' || id === '')) {
      throw new TypeError('signIn needs the id of a user as text, or null for a user that does not exist')
    }
    this.#requireOwnSite(false)
    const prove = verify ?? (() => who as SignedIn)
    const first = await this.#attempt(id, prove, options)
    // Someone ended all sessions of this user meanwhile, perhaps by a new password: so we look again.
    const created = first.outcome === 'superseded' ? await this.#attempt(id, prove, options) : first
    if (created.outcome !== 'created') throw notCreated(created)
    return this.#welcome(created, options)
  }

  /** The ticket is taken before `verify` reads anything: what changes after that reading voids it. */
  async #attempt(id: string | null, verify: Verify, options: SignInOptions): Promise<Created> {
    const { sessions } = this.#state.settings
    const ticket = await asked(() => sessions.prepareLogin(id ?? nobody))
    const verified = await verify()
    const subject = id === null ? null : subjectOf(id, verified)
    if (subject === null) throw new SessionFault('invalid-credentials', 'the name or the password is wrong')
    await this.#endPresented()
    return asked(() =>
      sessions.create(ticket, {
        subject,
        remember: options.remember ?? false,
        endOthers: options.endOthers ?? false,
        device: {
          label: options.label ?? null,
          userAgent: shownUserAgent(this.#state.ctx.req.headers['user-agent']),
          ip: this.#state.ctx.ip || null,
        },
      }),
    )
  }

  /** A sign-in replaces the session that the client had, so that a session known to others cannot be extended. */
  async #endPresented(): Promise<void> {
    const token = this.#state.token
    if (token === null) return
    confirmed(
      await asked(() => this.#state.settings.sessions.revoke(token)),
      'the session you had may not have ended: please sign in again',
    )
    this.#state.token = null
    this.#state.identity = null
    this.#state.fault = null
  }

  #welcome(created: Extract<Created, { outcome: 'created' }>, options: SignInOptions): SignInResult {
    const { token } = created
    const identity = created.identity as Identity as AuthIdentity
    this.#state.token = token
    this.#state.identity = identity
    this.#state.fault = null
    this.#state.acted = true
    if (options.transport === 'token') {
      this.#state.credential = 'bearer'
    } else {
      const { rememberAbsoluteMs } = this.#state.settings.sessions.lifetimes
      this.#state.credential = 'cookie'
      const age = options.remember ? rememberAbsoluteMs : null
      this.#state.ctx.append(
        'Set-Cookie',
        cookieWith(token, age, this.#secure, this.#state.settings.cookieName),
      )
    }
    return { ...identity, token }
  }

  async signOut(): Promise<void> {
    const token = this.#state.token
    if (token !== null) confirmed(await asked(() => this.#state.settings.sessions.revoke(token)), askAgain)
    this.#forget()
  }

  async signOutEverywhere({ keepCurrent = false } = {}): Promise<number> {
    const { user } = this.require()
    const keep = keepCurrent && this.#state.token !== null ? { keep: this.#state.token } : {}
    const ended = confirmed(
      await asked(() => this.#state.settings.sessions.revokeUser(user.id, keep)),
      askAgain,
    )
    if (keepCurrent) this.#state.acted = true
    else this.#forget()
    return ended.outcome === 'revoked' ? ended.count : 0
  }

  async endSession(sessionId: string): Promise<boolean> {
    const { user, session } = this.require()
    const ended = confirmed(
      await asked(() => this.#state.settings.sessions.revokeById(user.id, String(sessionId))),
      askAgain,
    )
    if (session.id === sessionId) this.#forget()
    this.#state.acted = true
    return ended.outcome === 'revoked'
  }

  async sessions(): Promise<ListedSession[]> {
    const { user, session } = this.require()
    const found = await asked(() => this.#state.settings.sessions.list(user.id))
    return found.map((one) => ({ ...one, current: one.id === session.id }))
  }

  async data(): Promise<SessionData> {
    this.require()
    const loaded = await asked(() => this.#state.settings.sessions.loadData(this.#state.token ?? ''))
    if (loaded === null) throw gone()
    return loaded.data
  }

  async save(changes: DataChanges): Promise<void> {
    this.require()
    const saved = await asked(() => this.#state.settings.sessions.saveData(this.#state.token ?? '', changes))
    if (saved === 'gone') throw gone()
    if (saved === 'too-large') {
      throw new SessionFault('session-data-too-large', 'the data of this session would grow too large')
    }
    this.#state.acted = true
  }

  #forget(): void {
    if (this.#state.credential === 'cookie') {
      this.#state.ctx.append('Set-Cookie', cookieCleared(this.#secure, this.#state.settings.cookieName))
    }
    this.#state.token = null
    this.#state.identity = null
    this.#state.fault = null
    this.#state.acted = true
  }

  get #secure(): boolean {
    return this.#state.settings.secure ?? this.#state.ctx.secure
  }

  #readCredential(): void {
    const { cookieName, bearer } = this.#state.settings
    const { authorization, cookie } = this.#state.ctx.req.headers
    // A client that sends a Bearer token does not mean the cookie that its browser adds.
    const shown = bearer ? bearerToken(authorization) : null
    const presented =
      shown ?? (cookie === undefined ? null : readCookie(cookie, sessionCookieName(this.#secure, cookieName)))
    if (presented === null) return
    if (presented === ambiguous) {
      throw new SessionFault(
        'ambiguous-cookie',
        "the session cookie was sent twice with different values: delete this site's cookies and sign in again",
      )
    }
    this.#state.credential = shown === null ? 'cookie' : 'bearer'
    if (isWellFormedToken(presented)) this.#state.token = presented
  }

  /** @param withCookie the browser added the cookie: then a request that does not say where it comes from is refused. */
  #requireOwnSite(withCookie: boolean): void {
    const { csrf } = this.#state.settings
    if (csrf === false) return
    const { req, protocol, host } = this.#state.ctx
    const own = `${protocol}://${host}`
    const { origin } = req.headers
    if (origin !== undefined && csrf.origins.includes(origin)) return
    const reason = crossSite(req, (candidate) => candidate === own)
    if (reason === null || (reason === 'unknown' && !withCookie)) return
    throw new SessionFault(
      'csrf',
      reason === 'unknown'
        ? 'a request with the session cookie that changes something needs the header Sec-Fetch-Site: same-origin or a ' +
            'matching Origin; programs better use Authorization: Bearer'
        : 'this request came from another site',
    )
  }
}

const askAgain = 'it could not be confirmed that the session has ended everywhere: please ask again'

function confirmed(ended: Revocation, message: string): Exclude<Revocation, { outcome: 'unconfirmed' }> {
  if (ended.outcome === 'unconfirmed') throw new SessionFault('revocation-unconfirmed', message, ended.cause)
  return ended
}

function gone(): SessionFault {
  return new SessionFault('session-gone', 'the session ended meanwhile: nothing was changed')
}

function notCreated(created: Exclude<Created, { outcome: 'created' }>): SessionFault {
  switch (created.outcome) {
    case 'superseded':
      return new SessionFault(
        'sign-in-superseded',
        'the sessions of this user were ended meanwhile, please sign in again',
      )
    case 'disabled':
      return new SessionFault('user-disabled', 'this user may not sign in')
    case 'unconfirmed':
      return new SessionFault(
        'revocation-unconfirmed',
        'your other sessions may not have ended: please sign in again',
        created.cause,
      )
  }
}

/** At once where this process may decide from its memory. */
function stillValid({ settings, token }: RequestState): boolean | Promise<boolean> {
  try {
    return settings.sessions.stillValid(token ?? '')
  } catch (cause) {
    return Promise.reject(cause)
  }
}

function requireTrue(valid: boolean): void {
  if (!valid) throw new SessionFault('session-gone', 'the session ended while the request was being served')
}

async function asked<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    throw outage(cause)
  }
}

/** Sessions that can't be asked are never an answer about one. Other faults are nobody's outage. */
function outage(cause: unknown): unknown {
  if (!(cause instanceof Unavailable || cause instanceof NotStarted)) return cause
  if (cause instanceof NotStarted) return new SessionFault('not-started', cause.message, cause)
  return new SessionFault(
    'unavailable',
    "the session store can't be asked right now, please try again",
    cause,
  )
}

function subjectOf(id: string, verified: Verified): Subject | null {
  if (!verified) return null
  if (verified === true) return { id, roles: [], version: 0, profile: {} }
  if (typeof verified !== 'object') {
    throw new TypeError('verify answers with true, false, null, or the user: { id, roles, profile }')
  }
  if (verified.id !== id) throw new TypeError('verify answered with another user than the one who signs in')
  const { roles = [], profile = {}, version = 0, lineage } = verified
  return { id, roles, profile, version, ...(lineage === undefined ? {} : { lineage }) }
}
