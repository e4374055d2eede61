/**
 * A pool of Postgres connections for kysely, in which nothing waits for ever: from asking for a connection to
 * giving it back an operation has `timeoutMs`, then it fails with `Unavailable`.
 *
 * A connection on which that happened is closed and not given to the next: the answer to the old statement is
 * still on its way there, and the transaction still open.
 */
import type { PostgresPool, PostgresPoolClient } from 'kysely'
import pg, { type PoolClient, type QueryConfig } from 'pg'
import { Unavailable } from '../../kernel/errors.ts'
import { deadlineIn, remaining, type Deadline } from '../../kernel/lifecycle.ts'

export interface BoundedPoolOptions {
  readonly url: string
  readonly timeoutMs: number
}

/** Accounts are asked at logins, not at every request; each worker has its own pool. */
const connections = 4

/** However long the statements may take: a host that does not answer by then is away. */
const longestConnectMs = 5_000

export function createBoundedPool({ url, timeoutMs }: BoundedPoolOptions): PostgresPool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'lockstep',
    max: connections,
    connectionTimeoutMillis: Math.min(timeoutMs, longestConnectMs),
    // For the server: it need not finish what no one waits for any more.
    statement_timeout: timeoutMs,
    idle_in_transaction_session_timeout: timeoutMs,
    keepAlive: true,
    types: { getTypeParser: parserOf },
  })
  // A connection that breaks says so here as well as to anyone who uses it. One that no one uses is replaced when
  // it is needed; without a listener it would end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))

  return {
    async connect() {
      const deadline = deadlineIn(timeoutMs)
      const client = await pool.connect().catch((cause: unknown) => {
        throw new Unavailable('database', { cause })
      })
      return bounded(client, deadline)
    },
    end: () => pool.end(),
  }
}

function bounded(client: PoolClient, deadline: Deadline): PostgresPoolClient {
  let broken: Unavailable | null = null

  async function query(text: string, values: readonly unknown[]) {
    if (broken) throw broken
    const statement: QueryConfig & { query_timeout: number } = {
      text,
      values: [...values],
      // Zero would mean no limit.
      query_timeout: Math.max(1, remaining(deadline)),
    }
    try {
      return await client.query(statement)
    } catch (cause) {
      if (!saysAway(cause)) throw cause
      broken = new Unavailable('database', { cause })
      throw broken
    }
  }

  return {
    // kysely may hand over a cursor too, but only for streams, and the store streams nothing.
    query: query as unknown as PostgresPoolClient['query'],
    release: () => client.release(broken !== null),
  }
}

/**
 * SQLSTATE classes and codes that speak of the server and not of the statement: connection exceptions, rolled back
 * for the sake of others, out of resources, timeouts and shutdowns, a standby that can't write, a failing disk.
 */
const awayStates = /^(08|40|53|57|58|25006|25P03|55P03)/

function saysAway(cause: unknown): boolean {
  // What does not come from the server comes from the way to it.
  return !(cause instanceof pg.DatabaseError) || awayStates.test(cause.code ?? '')
}

/** Counts and moments are `bigint`, which the driver would give as text: ours are far below 2 ** 53. */
function parserOf(oid: number, format?: 'text' | 'binary') {
  return oid === pg.types.builtins.INT8 && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format)
}
