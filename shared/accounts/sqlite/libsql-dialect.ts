/**
 * SQLite through libsql, for kysely: one handle, one operation at a time in order of arrival, each with a
 * deadline of its own.
 *
 * Another process that writes is waited for here, between timers, and hardly in SQLite, which would hold up the
 * whole process meanwhile. Every write is in a transaction that begins as a writer, so that the lock is had, or
 * not, by its first word, and no statement after it finds the file busy. That matters beyond order: libsql leaves
 * a prepared statement that met a busy file unfinished until it is garbage, and no transaction of the handle can
 * commit before (tursodatabase/libsql-js#237). `exec` has no such fault.
 */
import { chmodSync, closeSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  SelectQueryNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely'
import Database from 'libsql'
import { ConfigurationError, messageOf, Unavailable } from '../../kernel/errors.ts'
import { deadlineIn, remaining, type Deadline } from '../../kernel/lifecycle.ts'
import { makeDirectory } from '../../kernel/make-directory.ts'

export interface LibsqlOptions {
  readonly file: string
  /** How long an operation may take, waiting included. */
  readonly timeoutMs: number
}

export function createLibsqlDialect(options: LibsqlOptions): Dialect {
  return {
    createDriver: () => createDriver(options),
    createAdapter: () => new TransactionalSqliteAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}

/** Migrations in one transaction, which SQLite can do: the lock that it takes keeps other processes from theirs. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/** How long SQLite itself waits for another process, with this process standing still. */
const blockingWaitMs = 10

interface Turn extends DatabaseConnection {
  control(word: 'begin immediate' | 'commit' | 'rollback'): Promise<void>
  end(): void
}

function createDriver({ file, timeoutMs }: LibsqlOptions): Driver {
  let handle: Database.Database | null = null
  let lastTurn: Promise<void> = Promise.resolve()

  function opened(): Database.Database {
    if (!handle) throw new Unavailable('database', { cause: new Error('the file is closed') })
    return handle
  }

  async function acquireConnection(): Promise<Turn> {
    const deadline = deadlineIn(timeoutMs)
    const previous = lastTurn
    let end = () => {}
    lastTurn = new Promise((resolve) => (end = resolve))
    if (!(await settlesBy(deadline, previous))) {
      void previous.then(end)
      throw new Unavailable('database', { cause: new Error('earlier operations have not ended') })
    }
    return {
      executeQuery: (query) => patiently(deadline, () => execute(opened(), query)),
      streamQuery() {
        throw new Error('results are not streamed')
      },
      async control(word) {
        // A full disk has rolled back already.
        if (word === 'rollback' && !opened().inTransaction) return
        await patiently(deadline, () => opened().exec(word))
      },
      end() {
        try {
          if (handle?.inTransaction) handle.exec('rollback')
        } finally {
          end()
        }
      },
    }
  }

  return {
    async init() {
      handle = await open(file, timeoutMs)
    },
    acquireConnection,
    beginTransaction: (turn) => (turn as Turn).control('begin immediate'),
    commitTransaction: (turn) => (turn as Turn).control('commit'),
    rollbackTransaction: (turn) => (turn as Turn).control('rollback'),
    async releaseConnection(turn) {
      ;(turn as Turn).end()
    },
    async destroy() {
      await lastTurn
      handle?.close()
      handle = null
    },
  }
}

async function open(file: string, timeoutMs: number): Promise<Database.Database> {
  const deadline = deadlineIn(timeoutMs)
  try {
    makeDirectory(dirname(file), 0o700)
    // Before SQLite does: the files that it puts beside this one get the same permissions.
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
    const handle = new Database(file)
    try {
      handle.exec(`pragma busy_timeout = ${blockingWaitMs}`)
      await patiently(deadline, () => handle.exec('pragma journal_mode = wal'))
      handle.exec('pragma synchronous = full; pragma foreign_keys = on')
      return handle
    } catch (failure) {
      handle.close()
      throw failure
    }
  } catch (failure) {
    if (failure instanceof Unavailable) throw failure
    throw new ConfigurationError([
      `The accounts can't be kept in ${file}: ${faultOf(failure)} (DATABASE_URL says where, else DATA_DIR)`,
    ])
  }
}

function faultOf(failure: unknown): string {
  if (codeOf(failure) === 'SQLITE_NOTADB') return 'it is not an SQLite database. Name another file.'
  return `${messageOf(failure)}. Name a file in a directory that this user may write to.`
}

function execute<R>(handle: Database.Database, query: CompiledQuery): QueryResult<R> {
  if (SelectQueryNode.is(query.query) || handle.inTransaction) return run(handle, query)
  handle.exec('begin immediate')
  try {
    const result = run<R>(handle, query)
    handle.exec('commit')
    return result
  } finally {
    if (handle.inTransaction) handle.exec('rollback')
  }
}

function run<R>(handle: Database.Database, { sql, parameters }: CompiledQuery): QueryResult<R> {
  const statement = handle.prepare<unknown[]>(sql)
  if (statement.reader) return { rows: statement.all([...parameters]) as R[] }
  const { changes } = statement.run([...parameters])
  return { rows: [], numAffectedRows: BigInt(changes) }
}

/** What SQLite says when the file can't be used right now, whatever the statement. */
const awayCodes = /^SQLITE_(BUSY|LOCKED|IOERR|FULL|CANTOPEN|READONLY|PROTOCOL|NOMEM)/

/** Tries until the file is not busy, to the deadline. */
async function patiently<T>(deadline: Deadline, attempt: () => T): Promise<T> {
  for (;;) {
    try {
      return attempt()
    } catch (cause) {
      const code = codeOf(cause)
      if (!awayCodes.test(code)) throw cause
      const busy = /^SQLITE_(BUSY|LOCKED)/.test(code)
      if (!busy || remaining(deadline) === 0) throw new Unavailable('database', { cause })
      await pause(Math.min(5 + Math.random() * 10, remaining(deadline)))
    }
  }
}

function codeOf(failure: unknown): string {
  const { code } = failure as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

async function settlesBy(deadline: Deadline, promise: Promise<void>): Promise<boolean> {
  const patience = new AbortController()
  const gaveUp = pause(remaining(deadline), false, { signal: patience.signal }).catch(() => false)
  try {
    return await Promise.race([promise.then(() => true), gaveUp])
  } finally {
    patience.abort()
  }
}
