import { createHash, randomBytes } from 'node:crypto'

const shape = /^[A-Za-z0-9_-]{43}$/

/** A new session token: 32 random bytes, base64url. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

/** Could this be one of our tokens? A wrong length or alphabet is refused without asking Redis. */
export function isWellFormedToken(text: string): boolean {
  return shape.test(text)
}

/** The only form of a token that leaves the process: its SHA-256, base64url. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** A public session id: random, opens nothing, unrelated to the token. */
export function newSessionId(): string {
  return randomBytes(16).toString('base64url')
}
