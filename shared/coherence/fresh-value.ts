import { randomBytes } from 'node:crypto'

/** A value that was never used before: incarnations, members. Random, since counters repeat after data loss. */
export function freshValue(): string {
  return randomBytes(12).toString('base64url')
}
