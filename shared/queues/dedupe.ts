/**
 * One job of several requests with one key. The id of a job that was asked for with a key carries a digest of its
 * payload, so that the answer to a later request, which is this id, says whether both asked for the same work, even
 * when the job is done and gone. The digest is salted by the id itself.
 */
import { createHash, randomBytes } from 'node:crypto'

/** For how long a key stands for the job that it made first. */
export const dedupeMs = 24 * 60 * 60 * 1_000

/** The key belongs to a job with another payload. */
export class DedupeConflict extends Error {
  readonly status = 409
  readonly expose = true
  readonly id: string

  constructor(job: string, id: string) {
    super(`the dedupeKey belongs to a job ${job} with another payload`)
    this.name = 'DedupeConflict'
    this.id = id
  }
}

/** Keys of different askers must not meet, and BullMQ gives some characters a meaning. */
export function dedupeId(by: string | undefined, dedupeKey: string): string {
  return createHash('sha256')
    .update(JSON.stringify([by ?? null, dedupeKey]))
    .digest('base64url')
}

/** A new id for a job with this payload: `l7XbW1f0mJ2nQk0a.9sJ0aQ3k`. */
export function keyedJobId(payload: unknown): string {
  const salt = randomBytes(12).toString('base64url')
  return `${salt}.${digest(salt, payload)}`
}

/** Whether the id is that of a job with this payload. One of another form is from an earlier release: it may be. */
export function isIdFor(id: string, payload: unknown): boolean {
  const [, salt, theirs] = /^([\w-]{16})\.([\w-]{8})$/.exec(id) ?? []
  return salt === undefined || theirs === digest(salt, payload)
}

function digest(salt: string, payload: unknown): string {
  return createHash('sha256')
    .update(`${salt}${JSON.stringify(payload, sorted)}`)
    .digest('base64url')
    .slice(0, 8)
}

/** Fields in one order, however they were written. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
