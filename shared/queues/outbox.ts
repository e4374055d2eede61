/**
 * A transactional outbox: a job that is done if and only if a transaction of the application's database commits.
 *
 * Asking Redis inside the transaction can't give that: a transaction that rolls back leaves the job, and a process that
 * dies between commit and request leaves none. So the request is a row of the same transaction. A relay in each process
 * takes such rows, asks Redis for the job, and deletes the row.
 *
 * A relay claims rows for a while before it asks, so that those of other processes leave them alone. One that dies in
 * between leaves its claim to run out, and the row is asked for again, under the same dedupe key: Redis answers with the
 * job of the first time, for a day. What Redis can't take now stays in the table, for as long as it takes. A row that no
 * process can ask for (a payload that its job does not take any more) stays too, with the reason in `failure`, and holds
 * up no other.
 *
 * Pattern: "Transactional outbox", https://microservices.io/patterns/data/transactional-outbox.html
 */
import { randomUUID } from 'node:crypto'
import { messageOf, Unavailable } from '../kernel/errors.ts'
import type { Service } from '../kernel/lifecycle.ts'
import type { Behalf } from './behalf.ts'
import type { AnyJob, Job } from './job.ts'
import { jobsByName } from './job.ts'
import { bullRequest, type EnqueueOptions } from './request.ts'

/**
 * Runs one statement and gives its rows, if it has any. That of a transaction runs it there; that of the relay on any
 * connection, and commits it.
 */
export type RunStatement = (
  sql: string,
  parameters: readonly (string | number)[],
) => Promise<readonly object[]> | readonly object[]

/** What may be said about a job of the outbox; its dedupe key is the row's. */
export interface OutboxOptions extends Omit<EnqueueOptions, 'dedupeKey' | 'onBehalfOf'> {
  readonly onBehalfOf?: Behalf
}

export interface OutboxSettings {
  /** `queues` of a handler's parts, or of `lockstep` in `services`. */
  readonly queues: {
    enqueue(job: Job<never, never>, payload: never, options?: EnqueueOptions): Promise<unknown>
  }
  /** The jobs that are asked for through it. */
  readonly jobs: readonly AnyJob[]
  /** Which way of writing parameters the database has. */
  readonly dialect: 'postgres' | 'sqlite'
  /** For the relay: outside of any transaction. */
  readonly run: RunStatement
  readonly log: OutboxLog
  /** Of letters, digits and underscores. Default `lockstep_outbox`. */
  readonly table?: string
  /** How often the table is looked at. Default 500 ms. */
  readonly pollMs?: number
  /** For how long a relay has rows to itself. Default 30 s. */
  readonly claimMs?: number
}

export interface OutboxLog {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface Outbox extends Service {
  /** What makes the table, for a migration. May be run again. */
  readonly schema: readonly string[]
  /**
   * Asks for a job in the transaction that `run` belongs to. Throws `InvalidPayload` or `TypeError` for what the job does
   * not take, and whatever `run` throws: let it roll the transaction back.
   */
  enqueue<Stored>(
    run: RunStatement,
    job: Job<Stored, never>,
    payload: NoInfer<Stored>,
    options?: OutboxOptions,
  ): Promise<void>
  /** Looks at the table now, as after a commit; resolves when nothing is due there. */
  relay(): Promise<void>
  /** How many rows wait, and for how long the oldest has. */
  pending(): Promise<{ readonly rows: number; readonly oldestMs: number }>
}

interface Row {
  readonly id: string
  readonly job: string
  readonly payload: string
  readonly options: string
  readonly created_at: number | string
  readonly attempts: number | string
}

const rowsAtOnce = 100
/** When Redis or the database is away. */
const soonMs = 1_000
const longestPauseMs = 3_600_000

export function createOutbox(settings: OutboxSettings): Outbox {
  const { queues, dialect, run, log, table = 'lockstep_outbox', pollMs = 500, claimMs = 30_000 } = settings
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(table)) {
    throw new TypeError(`table must be letters, digits and underscores, not ${JSON.stringify(table)}`)
  }
  const jobs = jobsByName(settings.jobs)
  let timer: NodeJS.Timeout | undefined
  let relaying: Promise<void> | null = null
  let stopped = true
  let databaseIsAway = false

  /** `?` for SQLite, `$1`, `$2` … for Postgres. */
  function statement(text: string): string {
    let place = 0
    return dialect === 'sqlite' ? text : text.replaceAll('?', () => `$${(place += 1)}`)
  }

  /** Relays at the same time take different rows; SQLite has one writer at a time. */
  const skipLocked = dialect === 'postgres' ? ' FOR UPDATE SKIP LOCKED' : ''

  async function claim(now: number): Promise<Row[]> {
    // Said twice: in Postgres a row that another relay claimed meanwhile is looked at again, by the outer condition alone.
    const claimed = await run(
      statement(
        `UPDATE ${table} SET due_at = ?, attempts = attempts + 1 WHERE due_at <= ? AND id IN ` +
          `(SELECT id FROM ${table} WHERE due_at <= ? ORDER BY created_at LIMIT ${rowsAtOnce}${skipLocked}) ` +
          'RETURNING id, job, payload, options, created_at, attempts',
      ),
      [now + claimMs, now, now],
    )
    return (claimed as readonly Row[]).toSorted((a, b) => Number(a.created_at) - Number(b.created_at))
  }

  /** Null when Redis has the job; else why not, which is about the row unless Redis is away. */
  async function ask(row: Row): Promise<null | { readonly away: boolean; readonly reason: string }> {
    try {
      const job = jobs.get(row.job)
      if (!job) throw new TypeError(`the job ${row.job} was not given to createOutbox`)
      const { delayMs = 0, ...options } = JSON.parse(row.options) as EnqueueOptions
      await queues.enqueue(job as Job<never, never>, JSON.parse(row.payload) as never, {
        ...options,
        // Counted from the transaction, not from here.
        delayMs: Math.max(0, delayMs - (Date.now() - Number(row.created_at))),
        dedupeKey: `outbox ${row.id}`,
      })
      return null
    } catch (cause) {
      return { away: cause instanceof Unavailable, reason: messageOf(cause) }
    }
  }

  async function postpone(row: Row, failure: string, pauseMs: number): Promise<void> {
    const text = `UPDATE ${table} SET due_at = ?, failure = ? WHERE id = ?`
    await run(statement(text), [Date.now() + pauseMs, failure, row.id])
  }

  /** For a release that knows the job, or takes its payload. */
  async function keep(row: Row, reason: string): Promise<void> {
    const attempts = Number(row.attempts)
    log.error(
      { row: row.id, job: row.job, attempts, reason },
      'a row of the outbox can not become a job: it stays',
    )
    await postpone(row, reason, Math.min(longestPauseMs, soonMs * 2 ** Math.min(attempts, 12)))
  }

  /** Gives whether more rows may be due. */
  async function relayBatch(): Promise<boolean> {
    const rows = await claim(Date.now())
    for (const [index, row] of rows.entries()) {
      const failure = await ask(row)
      if (failure === null) await run(statement(`DELETE FROM ${table} WHERE id = ?`), [row.id])
      else if (failure.away) {
        for (const waiting of rows.slice(index)) await postpone(waiting, '', soonMs)
        return false
      } else await keep(row, failure.reason)
    }
    return rows.length > 0
  }

  async function relayAll(): Promise<void> {
    try {
      while (await relayBatch()) if (stopped) break
      databaseIsAway = false
    } catch (cause) {
      if (!databaseIsAway) log.warn({ reason: messageOf(cause) }, 'the outbox can not reach its table')
      databaseIsAway = true
    }
  }

  function relay(): Promise<void> {
    relaying ??= relayAll().finally(() => (relaying = null))
    return relaying
  }

  function later(): void {
    if (stopped) return
    timer = setTimeout(() => void relay().then(later), pollMs)
    timer.unref()
  }

  return {
    schema: [
      `CREATE TABLE IF NOT EXISTS ${table} (id TEXT PRIMARY KEY, job TEXT NOT NULL, payload TEXT NOT NULL, ` +
        'options TEXT NOT NULL, created_at BIGINT NOT NULL, due_at BIGINT NOT NULL, ' +
        "attempts INTEGER NOT NULL DEFAULT 0, failure TEXT NOT NULL DEFAULT '')",
      `CREATE INDEX IF NOT EXISTS ${table}_due ON ${table} (due_at)`,
    ],

    async start() {
      if (!stopped) return
      stopped = false
      later()
    },

    async stop() {
      stopped = true
      clearTimeout(timer)
      await relaying
    },

    async enqueue(inTransaction, job, payload, options = {}) {
      if (jobs.get(job.name) !== (job as AnyJob)) {
        throw new TypeError(`the job ${job.name} was not given to createOutbox`)
      }
      const { data } = bullRequest(job, payload, options)
      const now = Date.now()
      await inTransaction(
        statement(
          `INSERT INTO ${table} (id, job, payload, options, created_at, due_at) VALUES (?, ?, ?, ?, ?, ?)`,
        ),
        [randomUUID(), job.name, JSON.stringify(data.payload), JSON.stringify(options), now, now],
      )
    },

    relay,

    async pending() {
      const [row] = (await run(`SELECT count(*) AS total, min(created_at) AS oldest FROM ${table}`, [])) as {
        total: number | string
        oldest: number | string | null
      }[]
      const oldest = row?.oldest ?? null
      return {
        rows: Number(row?.total ?? 0),
        oldestMs: oldest === null ? 0 : Math.max(0, Date.now() - Number(oldest)),
      }
    },
  }
}
