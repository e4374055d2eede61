/** What another service says of a token, checked on entry: anything may come back from it. */
export interface RemoteSession<Data = unknown> {
  readonly userId: string
  /** Milliseconds since 1970; null: the service does not say. */
  readonly expiresAt: number | null
  /** What the application wants at hand on every request: JSON. */
  readonly data: Data
}

/** The service answered something that can't be used; no one is let in on it. */
export class UnusableAnswer extends Error {
  readonly status = 502

  constructor(problem: string, options?: { cause?: unknown }) {
    super(`the identity service gave an answer that can't be used: ${problem}`, options)
    this.name = 'UnusableAnswer'
  }
}

/** 1973 in milliseconds, the year 5138 in seconds: a smaller number is in seconds. */
const leastMs = 1e11
/** The year 5138 in milliseconds, 1973 in microseconds. */
const mostMs = 1e14
const mostBytes = 32 * 1024

/**
 * The answer as a session, frozen; null when it says that there is none, or that it is over at `wall`. Throws
 * `UnusableAnswer` for what is neither.
 */
export function readAnswer<Data>(answer: unknown, wall: number): RemoteSession<Data> | null {
  if (answer === null) return null
  if (typeof answer !== 'object') {
    throw new UnusableAnswer(`${typeof answer}; validate answers { userId, expiresAt, data }, or null`)
  }
  const { userId, expiresAt = null, data = null } = answer as Record<string, unknown>
  if (typeof userId !== 'string' || userId === '' || userId.length > 255) {
    throw new UnusableAnswer('userId must be a text of 1 to 255 characters')
  }
  if (expiresAt !== null) {
    if (typeof expiresAt !== 'number' || !Number.isFinite(expiresAt)) {
      throw new UnusableAnswer('expiresAt must be a number of milliseconds since 1970, or null')
    }
    if (expiresAt > 0 && expiresAt < leastMs) {
      throw new UnusableAnswer(`expiresAt is ${expiresAt}, which looks like seconds: it is in milliseconds`)
    }
    if (expiresAt >= mostMs) {
      throw new UnusableAnswer(`expiresAt is ${expiresAt}, which is finer than milliseconds`)
    }
    if (expiresAt <= wall) return null
  }
  let text: string
  try {
    text = JSON.stringify(data)
  } catch (cause) {
    throw new UnusableAnswer('data is no JSON', { cause })
  }
  if (text === undefined) throw new UnusableAnswer('data is no JSON')
  if (Buffer.byteLength(text) > mostBytes) throw new UnusableAnswer(`data is larger than ${mostBytes} bytes`)
  return freeze({ userId, expiresAt, data: JSON.parse(text) as Data })
}

/** What Redis held, if it is what we would have written; else it is absent. */
export function readKept<Data>(userId: string, value: string, wall: number): RemoteSession<Data> | null {
  try {
    const kept = JSON.parse(value) as { expiresAt?: unknown; data?: unknown } | null
    return readAnswer<Data>({ userId, expiresAt: kept?.expiresAt, data: kept?.data }, wall)
  } catch {
    return null
  }
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) freeze(inner)
  return Object.freeze(value)
}
