/**
 * Every error that leaves this server, as RFC 9457 problem details. `type` is a bare word that clients switch on:
 * the table below is the list of them.
 */
import { Unavailable, type Dependency } from '../kernel/errors.ts'

const kinds = {
  'malformed-request': [400, 'Malformed request'],
  'malformed-body': [400, 'Malformed body'],
  'ambiguous-cookie': [400, 'Ambiguous session cookie'],
  'duplicate-parameter': [400, 'Duplicate parameter'],
  unauthenticated: [401, 'Not signed in'],
  'invalid-credentials': [401, 'Wrong e-mail or password'],
  'session-gone': [401, 'Session has ended'],
  forbidden: [403, 'Not allowed'],
  csrf: [403, 'Cross-site request refused'],
  'not-found': [404, 'Not found'],
  'method-not-allowed': [405, 'Method not allowed'],
  conflict: [409, 'Conflict'],
  'email-taken': [409, 'E-mail address is taken'],
  'last-administrator': [409, 'Last administrator'],
  'body-too-large': [413, 'Body too large'],
  'session-data-too-large': [413, 'Session data too large'],
  'unsupported-media-type': [415, 'Unsupported media type'],
  'invalid-fields': [422, 'Invalid fields'],
  'invalid-token': [422, 'Invalid token'],
  'quota-exceeded': [429, 'Quota exceeded'],
  'internal-error': [500, 'Internal error'],
  unavailable: [503, 'Temporarily unavailable'],
  maintenance: [503, 'Under maintenance'],
  'not-ready': [503, 'Not ready'],
  'revocation-unconfirmed': [503, 'Revocation not confirmed'],
  'login-superseded': [503, 'Sign-in was overtaken'],
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ProblemKind = keyof typeof kinds
export const problemKinds = Object.keys(kinds) as ProblemKind[]

interface ProblemExtras {
  readonly headers?: Readonly<Record<string, string>>
  /** Further members of the body, such as `errors`. */
  readonly members?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** A fault that the client is told about. An application may make its own kinds. */
export class Problem extends Error {
  readonly status: number
  readonly expose = true
  readonly type: string
  readonly title: string
  readonly headers: Readonly<Record<string, string>>
  readonly members: Readonly<Record<string, unknown>>

  constructor(status: number, type: string, title: string, detail: string, extras: ProblemExtras = {}) {
    super(detail, { cause: extras.cause })
    this.name = 'Problem'
    this.status = status
    this.type = type
    this.title = title
    this.headers = extras.headers ?? {}
    this.members = extras.members ?? {}
  }
}

/** A problem of a kind in the table. `detail` says what to do about it, to the person who can. */
export function problem(kind: ProblemKind, detail: string, extras?: ProblemExtras): Problem {
  const [status, title] = kinds[kind]
  return new Problem(status, kind, title, detail, withStandardHeaders(status, extras))
}

export interface FieldError {
  readonly field: string
  readonly message: string
}

/** 422 that names each field and what is wrong with it. Never repeats a value: it may be a secret. */
export function invalidFields(errors: readonly FieldError[]): Problem {
  const detail = errors.map(({ field, message }) => `${field} ${message}`).join('; ')
  return problem('invalid-fields', detail, { members: { errors } })
}

/** 503: what was asked may or may not have happened yet, and asking again is safe. */
export function revocationUnconfirmed(detail: string, cause: unknown): Problem {
  return problem('revocation-unconfirmed', detail, { cause })
}

const awayParts: Readonly<Record<Dependency, string>> = {
  redis: 'the session store',
  database: 'the accounts database',
  accounts: 'who may sign in',
  mail: 'the mail server',
}

/** What the client is told about anything that was thrown. Unexpected faults tell nothing of themselves. */
export function asProblem(fault: unknown): Problem {
  if (fault instanceof Problem) return fault
  if (fault instanceof Unavailable) {
    const detail = `${awayParts[fault.dependency]} can't be asked right now, please try again`
    return problem('unavailable', detail, { headers: retryAfter(fault.retryAfterSeconds), cause: fault })
  }
  const { status, expose, message, retryAfterSeconds } = readFault(fault)
  if (status === 503) {
    const detail = expose ? message : 'the server is busy, please try again'
    return problem('unavailable', detail, { headers: retryAfter(retryAfterSeconds ?? 1), cause: fault })
  }
  if (status !== null && expose) return exposed(status, message)
  return problem('internal-error', 'something went wrong on our side', { cause: fault })
}

/** The body of the answer. */
export function problemBody(problem: Problem, requestId?: string): string {
  const { type, title, status, message: detail, members } = problem
  return JSON.stringify({ type, title, status, detail, ...(requestId ? { requestId } : {}), ...members })
}

export const problemContentType = 'application/problem+json; charset=utf-8'

function withStandardHeaders(status: number, extras: ProblemExtras = {}): ProblemExtras {
  const standard: Record<string, string> =
    status === 503 ? retryAfter(1) : status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}
  return { ...extras, headers: { ...standard, ...extras.headers } }
}

function retryAfter(seconds: number) {
  return { 'Retry-After': String(Math.max(1, Math.ceil(seconds))) }
}

function exposed(status: number, detail: string): Problem {
  const kind = (Object.keys(kinds) as ProblemKind[]).find((name) => kinds[name][0] === status)
  return kind ? problem(kind, detail) : new Problem(status, 'error', 'Request failed', detail)
}

/** Errors of Koa and of its middleware carry `status` and `expose`; ours may say when to come back. */
function readFault(fault: unknown) {
  const { status, expose, message, retryAfterSeconds } = (fault ?? {}) as Record<string, unknown>
  const known = typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599
  return {
    status: known ? status : null,
    expose: expose === true,
    message: typeof message === 'string' ? message : '',
    retryAfterSeconds: typeof retryAfterSeconds === 'number' ? retryAfterSeconds : null,
  }
}
