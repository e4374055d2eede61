/** The words of the audit trail: who did what, when, from where. It lies in the same database as the accounts. */
import { randomBytes } from 'node:crypto'

export interface AuditEntry {
  /** From `createAuditIds`: sorts by time, and by order within a process. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** The id of the user who did it; null for a stranger. */
  readonly actor: string | null
  readonly action: string
  /** What it was done to: the id of a user, or `queue/job`. */
  readonly subject: string | null
  /** Public id of the session that it was done with, or done to. */
  readonly session: string | null
  readonly ip: string | null
  readonly requestId: string | null
  /** JSON values, without secrets. */
  readonly details: Readonly<Record<string, unknown>>
}

export interface AuditPage {
  /** The id that the page before ended with. */
  readonly after?: string
  readonly limit: number
  /** Only what this user did, or what was done to them. */
  readonly user?: string
  readonly action?: string
  /** Milliseconds since 1970: only what happened at this time or later. */
  readonly from?: number
  /** Only what happened before. */
  readonly until?: number
}

/** Where the trail is kept. Each method throws `Unavailable` when the database can't be asked within its bound. */
export interface AuditTrail {
  /** All of them or none. An entry whose id is there already is left as it is, so that asking again is safe. */
  append(entries: readonly AuditEntry[]): Promise<void>
  /** Newest first. */
  list(page: AuditPage): Promise<AuditEntry[]>
  /** Removes the oldest entries from before `at`, at most `limit`; resolves to how many there were. */
  prune(at: number, limit: number): Promise<number>
}

/** Ids that sort by time and that no other process makes: `0195e3a1c27f` (ms), `0001` (count), 16 at random. */
export function createAuditIds(): (at: number) => string {
  let count = 0
  return (at) => {
    count = (count + 1) % 0x10000
    return `${auditIdsFrom(at)}${count.toString(16).padStart(4, '0')}${randomBytes(8).toString('hex')}`
  }
}

/** What sorts before every id of this millisecond, and after every id of those before. */
export function auditIdsFrom(at: number): string {
  return Math.floor(at).toString(16).padStart(12, '0')
}
