/**
 * What a request is told when its session can't be used, or a sign-in or sign-out is refused. In the form of Koa's own
 * errors (`status`, `expose`, `headers`), so that the application's error handling answers it as any other.
 */
const statuses = {
  'ambiguous-cookie': 400,
  unauthenticated: 401,
  'invalid-credentials': 401,
  'session-gone': 401,
  'user-disabled': 403,
  csrf: 403,
  'session-data-too-large': 413,
  unavailable: 503,
  'not-started': 503,
  'revocation-unconfirmed': 503,
  'sign-in-superseded': 503,
} as const

export type SessionFaultCode = keyof typeof statuses

export class SessionFault extends Error {
  readonly code: SessionFaultCode
  readonly status: number
  readonly statusCode: number
  /** Whether Koa sends the message to the client; a fault on our side it tells the log instead. */
  readonly expose: boolean
  readonly headers: Readonly<Record<string, string>>

  constructor(code: SessionFaultCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.name = 'SessionFault'
    this.code = code
    this.status = this.statusCode = statuses[code]
    this.expose = this.status < 500
    this.headers =
      this.status === 503
        ? { 'Retry-After': '1' }
        : this.status === 401
          ? { 'WWW-Authenticate': 'Bearer' }
          : {}
  }
}
