import { expect } from 'chai'
import type { Redis } from 'ioredis'
import Database from 'libsql'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { z } from 'zod'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { defineJob } from '../../shared/queues/job.ts'
import {
  createOutbox,
  type Outbox,
  type OutboxSettings,
  type RunStatement,
} from '../../shared/queues/outbox.ts'
import { InvalidPayload } from '../../shared/queues/payload.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { rejection } from '../support/rejection.ts'

const invoice = defineJob({
  name: 'invoice',
  payload: z.strictObject({ order: z.int() }),
  handler: async () => {},
})
const forgotten = defineJob({ name: 'forgotten', payload: z.strictObject({}), handler: async () => {} })

/** A database of an application. */
interface Shop {
  readonly dialect: 'postgres' | 'sqlite'
  readonly run: RunStatement
  /** Commits unless the work throws. */
  transaction(work: (run: RunStatement) => Promise<void>): Promise<void>
  close(): Promise<void>
}

async function openSqlite(): Promise<Shop> {
  const directory = await mkdtemp(path.join(tmpdir(), 'lockstep-outbox-'))
  const database = new Database(path.join(directory, 'shop.db'))
  const run: RunStatement = (sql, parameters) => {
    const statement = database.prepare(sql)
    if (/^SELECT|RETURNING/.test(sql)) return statement.all(...parameters) as object[]
    statement.run(...parameters)
    return []
  }
  return {
    dialect: 'sqlite',
    run,
    async transaction(work) {
      database.exec('BEGIN IMMEDIATE')
      try {
        await work(run)
        database.exec('COMMIT')
      } catch (cause) {
        database.exec('ROLLBACK')
        throw cause
      }
    },
    async close() {
      database.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function openPostgresShop(server: TestPostgres): Promise<Shop> {
  const pool = new pg.Pool({ connectionString: await server.createDatabase(), max: 5 })
  return {
    dialect: 'postgres',
    run: async (sql, parameters) => (await pool.query(sql, [...parameters])).rows as object[],
    async transaction(work) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await work(async (sql, parameters) => (await client.query(sql, [...parameters])).rows as object[])
        await client.query('COMMIT')
      } catch (cause) {
        await client.query('ROLLBACK')
        throw cause
      } finally {
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

describe('The outbox', function () {
  this.timeout(60_000)
  let server: TestRedis
  let postgres: TestPostgres

  before(async () => {
    ;[server, postgres] = await Promise.all([startRedis(), startPostgres()])
  })
  after(() => Promise.all([server.stop(), postgres.stop()]))

  for (const [name, open] of [
    ['SQLite', openSqlite],
    ['Postgres', () => openPostgresShop(postgres)],
  ] as const) {
    describe(`on ${name}`, () => {
      const cleanUp = cleanUpAfterEach()
      let redis: Redis
      let queues: Queues
      let shop: Shop
      let outbox: Outbox
      let logged: string[]

      const log = {
        warn: (_: object, message: string) => void logged.push(message),
        error: (fields: object, message: string) =>
          void logged.push(`${message}: ${(fields as { reason: string }).reason}`),
      }
      const outboxWith = (more: Partial<OutboxSettings> = {}) =>
        createOutbox({ queues, jobs: [invoice], dialect: shop.dialect, run: shop.run, log, ...more })
      const waiting = async () => {
        const jobs = await queues.bull('invoice').getJobs(['waiting', 'delayed'])
        return jobs.map((job) => (job.data as { payload: { order: number } }).payload.order).sort()
      }

      beforeEach(async () => {
        logged = []
        redis = openRedis({ kind: 'single', url: server.url }, 'commands')
        queues = createQueues({ redis, jobs: [invoice], timeoutMs: 500 })
        await queues.start()
        await redis.flushall()
        shop = await open()
        outbox = outboxWith()
        for (const sql of [...outbox.schema, ...outbox.schema]) await shop.run(sql, [])
        cleanUp(async () => {
          await queues.stop(deadlineIn(1_000))
          redis.disconnect()
          await shop.close()
        })
      })

      it('asks for a job when the transaction commits, and not when it rolls back', async () => {
        const failed = shop.transaction(async (run) => {
          await outbox.enqueue(run, invoice, { order: 1 })
          throw new Error('out of stock')
        })
        expect(await rejection(failed)).to.include({ message: 'out of stock' })
        await shop.transaction((run) => outbox.enqueue(run, invoice, { order: 2 }))
        expect(await outbox.pending()).to.include({ rows: 1 })
        await outbox.relay()
        expect(await waiting()).to.deep.equal([2])
        expect(await outbox.pending()).to.deep.equal({ rows: 0, oldestMs: 0 })
      })

      it('relays by itself once it has started', async () => {
        const relaying = outboxWith({ pollMs: 10 })
        await relaying.start()
        cleanUp(() => relaying.stop(deadlineIn(1_000)))
        await shop.transaction((run) => relaying.enqueue(run, invoice, { order: 3 }))
        await eventually(async () => expect(await waiting()).to.deep.equal([3]))
      })

      it('makes one job of a row whose relay died before it could delete it', async () => {
        await shop.transaction((run) => outbox.enqueue(run, invoice, { order: 4 }))
        const dying = outboxWith({
          claimMs: 1,
          run: (sql, parameters) => {
            if (sql.startsWith('DELETE')) throw new Error('the process is gone')
            return shop.run(sql, parameters)
          },
        })
        await dying.relay()
        expect(await waiting()).to.deep.equal([4])
        expect(await outbox.pending()).to.include({ rows: 1 })
        await eventually(async () => {
          await outbox.relay()
          expect(await outbox.pending()).to.include({ rows: 0 })
        })
        expect(await waiting()).to.deep.equal([4])
      })

      it('gives each row to one of many relays', async () => {
        const orders = Array.from({ length: 250 }, (_, order) => order)
        await shop.transaction(async (run) => {
          for (const order of orders) await outbox.enqueue(run, invoice, { order })
        })
        const asked: number[] = []
        const counted = {
          enqueue: async (job: never, payload: never, options: object) => {
            asked.push((payload as { order: number }).order)
            return queues.enqueue(job, payload, options)
          },
        }
        await Promise.all([1, 2, 3].map(() => outboxWith({ queues: counted }).relay()))
        expect(asked.sort((a, b) => a - b)).to.deep.equal(orders)
      })

      it('keeps what Redis can not take now', async () => {
        await shop.transaction((run) => outbox.enqueue(run, invoice, { order: 5 }))
        server.freeze()
        try {
          await outbox.relay()
        } finally {
          server.thaw()
        }
        expect(await outbox.pending()).to.include({ rows: 1 })
        await eventually(async () => {
          await outbox.relay()
          expect(await waiting()).to.deep.equal([5])
        })
      })

      it('keeps a row that is no job any more, says why, and goes on with the others', async () => {
        const before = outboxWith({ jobs: [invoice, forgotten] })
        await shop.transaction(async (run) => {
          await before.enqueue(run, forgotten, {})
          await before.enqueue(run, invoice, { order: 6 })
        })
        await outbox.relay()
        expect(await waiting()).to.deep.equal([6])
        expect(await outbox.pending()).to.include({ rows: 1 })
        expect(logged.join()).to.contain('the job forgotten was not given to createOutbox')
      })

      it('counts a delay from the transaction on', async () => {
        await shop.transaction((run) => outbox.enqueue(run, invoice, { order: 7 }, { delayMs: 60_000 }))
        await outbox.relay()
        const [job] = await queues.bull('invoice').getDelayed()
        expect(job?.delay).to.be.within(1, 60_000)
      })

      it('refuses in the transaction what the job does not take', async () => {
        const refused = shop.transaction((run) => outbox.enqueue(run, invoice, { order: 'one' as never }))
        expect(await rejection(refused)).to.be.instanceOf(InvalidPayload)
        const unknown = shop.transaction((run) => outbox.enqueue(run, forgotten, {}))
        expect(String(await rejection(unknown))).to.contain('forgotten')
        expect(await outbox.pending()).to.include({ rows: 0 })
        expect(() => outboxWith({ table: 'x; DROP TABLE y' })).to.throw(/table must be letters/)
      })

      it('waits for a table that can not be reached, and says so once', async () => {
        const away = outboxWith({ run: () => Promise.reject(new Error('connection refused')) })
        await away.relay()
        await away.relay()
        expect(logged).to.deep.equal(['the outbox can not reach its table'])
      })
    })
  }
})
