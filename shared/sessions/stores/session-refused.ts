/** Why a store did not do what it was asked. What Redis can't be asked about is `Unavailable` instead. */
export type Refusal = 'session-gone' | 'sign-in-superseded' | 'user-disabled' | 'session-data-too-large'

const answers: Readonly<Record<Refusal, { readonly status: number; readonly message: string }>> = {
  'session-gone': {
    status: 401,
    message: 'the session ended while the request was served: nothing was saved',
  },
  'sign-in-superseded': {
    status: 409,
    message: 'the sessions of this user were ended while the request was served: sign in again',
  },
  'user-disabled': { status: 403, message: 'this user may not have a session' },
  'session-data-too-large': { status: 413, message: 'the data of this session would grow beyond its bound' },
}

/** Koa and Express answer it with its status. */
export class SessionRefused extends Error {
  readonly code: Refusal
  readonly status: number
  readonly expose = true

  constructor(code: Refusal) {
    super(answers[code].message)
    this.name = 'SessionRefused'
    this.code = code
    this.status = answers[code].status
  }
}

/** The logout may not be true on every worker: 503, and the cookie stays, so that the user can ask again. */
export class RevocationUnconfirmed extends Error {
  readonly code = 'revocation-unconfirmed'
  readonly status = 503
  readonly expose = true
  readonly headers = { 'Retry-After': '1' }

  constructor(cause: unknown) {
    super('the session may not have ended on every worker: ask again', { cause })
    this.name = 'RevocationUnconfirmed'
  }
}
