import { createHash, randomBytes } from 'node:crypto'

/** Characters of the random part, and of the seal (see token-seals.ts) that follows it in all but the oldest tokens. */
const randomLength = 43
export const sealLength = 8

const shape = new RegExp(`^[A-Za-z0-9_-]{${randomLength}}(?:[A-Za-z0-9_-]{${sealLength}})?$`)

/** The random part of a new session token: 32 bytes, base64url. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

/** Could this be one of our tokens? A wrong length or alphabet is refused without asking Redis. */
export function isWellFormedToken(text: string): boolean {
  return shape.test(text)
}

/** What of a well-formed token was random when it was made. */
export function randomPartOf(token: string): string {
  return token.slice(0, randomLength)
}

/** The only form of a token that leaves the process: its SHA-256, base64url. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** A public session id: random, opens nothing, unrelated to the token. */
export function newSessionId(): string {
  return randomBytes(16).toString('base64url')
}
