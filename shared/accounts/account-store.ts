/**
 * The accounts, on any SQL database that kysely speaks to. What a database has of its own (how it is reached,
 * when it counts as away) is in its `AccountsDatabase`.
 *
 * A change that reads before it writes locks the account first and its reset tokens second, everywhere: of two
 * such changes one waits, and none can wait for the other in a circle.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Kysely, sql, type Dialect, type LogEvent, type Transaction } from 'kysely'
import { systemClock, type Clock } from '../kernel/clock.ts'
import { remaining } from '../kernel/lifecycle.ts'
import { accountColumns, accountOf, listedAccountOf, repairsOf } from './account-row.ts'
import type { Account, AccountChanges, AccountStore } from './accounts.ts'
import { createAuditTrail } from './audit-store.ts'
import { createDeploymentRecords } from './deployment-records.ts'
import { emailKey } from './email-key.ts'
import { administrators, hasRole, type Role } from './roles.ts'
import { migrateSchema, missingMigrations, type AccountsTable, type Schema } from './schema.ts'
import { mayBeStored, storable, storableEmail } from './stored-text.ts'

/** A database, as far as it differs from the others. */
export interface AccountsDatabase {
  /** Which one it is, by the name that OpenTelemetry has for it. */
  readonly system: 'sqlite' | 'postgresql'
  /**
   * Connections that answer or throw `Unavailable` within about `timeoutMs`, counted from when one is asked for to
   * when it is given back.
   */
  dialect(timeoutMs: number): Dialect
  /** The type of a text column that sorts by its bytes. */
  readonly exactText: string
}

export interface AccountStoreOptions {
  readonly timeoutMs?: number
  readonly clock?: Clock
  /** Told of each query when it has ended, in the context of whoever waits for it. */
  readonly onQuery?: (query: ObservedQuery) => void
}

/** A query as others may see it: its text has placeholders where the values were. */
export interface ObservedQuery {
  readonly system: string
  readonly text: string
  readonly ms: number
  /** Why it failed. */
  readonly error?: Error
}

type TokenTable = 'reset_tokens' | 'verification_tokens'

/** A migration may wait for that of another host, and works on many rows. */
const migrationTimeoutMs = 60_000

export function createAccountStore(
  database: AccountsDatabase,
  { timeoutMs = 2_000, clock = systemClock, onQuery }: AccountStoreOptions = {},
): AccountStore {
  let opened: Kysely<Schema> | null = null
  const observe = onQuery && {
    log: ({ query, queryDurationMillis: ms, ...event }: LogEvent) =>
      onQuery({
        system: database.system,
        text: query.sql,
        ms,
        ...('error' in event && event.error instanceof Error ? { error: event.error } : {}),
      }),
  }

  function db(): Kysely<Schema> {
    if (!opened) throw new Error('the accounts are not open')
    return opened
  }

  function changed() {
    return {
      version: sql<number>`version + 1`,
      updated_at: clock.wall(),
    }
  }

  async function findBy(column: 'id' | 'email_key', value: string): Promise<Account | null> {
    if (!mayBeStored(value)) return null
    const row = await db()
      .selectFrom('accounts')
      .select(accountColumns)
      .where(column, '=', value)
      .executeTakeFirst()
    return row ? accountOf(row) : null
  }

  async function updateIn(trx: Transaction<Schema>, id: string, changes: AccountChanges) {
    const row = await trx
      .updateTable('accounts')
      .set({ ...columnsOf(changes), ...changed() })
      .where('id', '=', id)
      .returning([...accountColumns, 'email_key'])
      .executeTakeFirst()
    if (!row) return null
    const repairs = repairsOf(row)
    if (repairs === null) return accountOf(row)
    const repaired = await trx
      .updateTable('accounts')
      .set(repairs)
      .where('id', '=', id)
      .returning(accountColumns)
      .executeTakeFirstOrThrow()
    return accountOf(repaired)
  }

  /**
   * The ids of all who can administer, locked until the end of the transaction. In the order of their ids, so that no
   * two transactions wait for each other; SQLite has one writer at a time anyway.
   */
  async function lockAdministrators(trx: Transaction<Schema>): Promise<string[]> {
    const rows = await trx
      .selectFrom('accounts')
      .select([...accountColumns, 'email_key'])
      .where('disabled', '=', 0)
      .where((where) =>
        where.or(administrators.map((role) => where('roles', 'like', `%${JSON.stringify(role)}%`))),
      )
      .orderBy('id')
      .$if(database.system === 'postgresql', (query) => query.forNoKeyUpdate())
      .execute()
    return rows
      .map(listedAccountOf)
      .filter((account) => !account.damaged && hasRole(account, administrators))
      .map(({ id }) => id)
  }

  /** Takes those of the account that have expired away, so that they don't pile up. */
  /** Makes the change that a token stands for, and voids all tokens of its account. Null when it is not good any more. */
  async function redeemToken(
    table: TokenTable,
    tokenHash: string,
    now: number,
    changes: Partial<Pick<AccountsTable, 'password_hash' | 'email_verified'>>,
  ): Promise<Account | null> {
    if (!mayBeStored(tokenHash)) return null
    return transaction(db(), async (trx) => {
      const row = await trx
        .updateTable('accounts')
        .set({ ...changes, ...changed() })
        .where('id', '=', ({ selectFrom }) =>
          selectFrom(table)
            .select('account_id')
            .where('token_hash', '=', tokenHash)
            .where('expires_at', '>', now),
        )
        .returning(accountColumns)
        .executeTakeFirst()
      if (!row) return null
      const voided = await trx
        .deleteFrom(table)
        .where('account_id', '=', row.id)
        .returning('token_hash')
        .execute()
      // Postgres looked the token up before it waited for the account: by now another caller may have used it.
      if (!voided.some(({ token_hash }) => token_hash === tokenHash)) throw new Undone(null)
      return accountOf(row)
    })
  }

  async function addToken(
    table: TokenTable,
    id: string,
    tokenHash: string,
    expiresAt: number,
  ): Promise<void> {
    if (!mayBeStored(id)) return
    await db()
      .deleteFrom(table)
      .where('account_id', '=', id)
      .where('expires_at', '<=', clock.wall())
      .execute()
    await db()
      .insertInto(table)
      .columns(['token_hash', 'account_id', 'expires_at'])
      .expression((from) =>
        from
          .selectFrom('accounts')
          .select([
            sql<string>`cast(${tokenHash} as text)`.as('token_hash'),
            'id',
            sql<number>`cast(${expiresAt} as bigint)`.as('expires_at'),
          ])
          .where('id', '=', id),
      )
      .execute()
  }

  return {
    audit: createAuditTrail(db),
    deployments: createDeploymentRecords(db, clock),

    async start() {
      if (opened) return
      const opening = new Kysely<Schema>({ dialect: database.dialect(timeoutMs), ...observe })
      try {
        await ping(opening)
      } catch (cause) {
        await opening.destroy().catch(() => {})
        throw cause
      }
      opened = opening
    },

    async stop(deadline) {
      const closing = opened
      opened = null
      await Promise.race([closing?.destroy(), pause(remaining(deadline), undefined, { ref: false })])
    },

    async migrate() {
      const migrating = new Kysely<Schema>({ dialect: database.dialect(migrationTimeoutMs) })
      try {
        await migrateSchema(migrating, database.exactText)
      } finally {
        await migrating.destroy()
      }
    },

    missingMigrations: () => missingMigrations(db(), database.exactText),

    async ping() {
      await ping(db())
    },

    async count() {
      const { total } = await db()
        .selectFrom('accounts')
        .select(({ fn }) => fn.countAll<number>().as('total'))
        .executeTakeFirstOrThrow()
      return total
    },

    findById: (id) => findBy('id', id),

    findByEmail: (email) => findBy('email_key', emailKey(email)),

    async list({ after, limit, search = '' }) {
      if (!Number.isInteger(limit) || limit < 1) throw new RangeError('limit must be a whole number above 0')
      if (after !== undefined) storable('after', after)
      if (!mayBeStored(search)) return []
      const rows = await db()
        .selectFrom('accounts')
        .select([...accountColumns, 'email_key'])
        .where('email_key', '>', after === undefined ? '' : emailKey(after))
        .$if(search !== '', (query) => {
          const [typed, lowered] = [containing(search), containing(lowerLetters(search))]
          return query.where(
            sql<boolean>`(email_key like ${lowered} escape '!' or name like ${typed} escape '!' or lower(name) like ${lowered} escape '!')`,
          )
        })
        .orderBy('email_key')
        .limit(limit)
        .execute()
      return rows.map(listedAccountOf)
    },

    async findListed(id) {
      if (!mayBeStored(id)) return null
      const row = await db()
        .selectFrom('accounts')
        .select([...accountColumns, 'email_key'])
        .where('id', '=', id)
        .executeTakeFirst()
      return row ? listedAccountOf(row) : null
    },

    async emailsOf(ids) {
      const wanted = [...new Set(ids)].filter(mayBeStored)
      if (wanted.length === 0) return new Map()
      const rows = await db()
        .selectFrom('accounts')
        .select(['id', 'email'])
        .where('id', 'in', wanted)
        .execute()
      return new Map(rows.map(({ id, email }) => [id, email]))
    },

    async has(id) {
      if (!mayBeStored(id)) return false
      const row = await db().selectFrom('accounts').select('id').where('id', '=', id).executeTakeFirst()
      return row !== undefined
    },

    async findIdByEmail(email) {
      const key = emailKey(email)
      if (!mayBeStored(key)) return null
      const row = await db()
        .selectFrom('accounts')
        .select('id')
        .where('email_key', '=', key)
        .executeTakeFirst()
      return row?.id ?? null
    },

    async create({ email, name, roles, passwordHash, emailVerified = false, tier = 'free' }) {
      const now = clock.wall()
      const row = await db()
        .insertInto('accounts')
        .values({
          ...storableEmail(email),
          id: randomUUID(),
          name: storable('name', name),
          roles: rolesText(roles),
          tier: storable('tier', tier),
          disabled: 0,
          email_verified: Number(emailVerified),
          password_hash: passwordHash,
          version: 1,
          created_at: now,
          updated_at: now,
        })
        .onConflict((conflict) => conflict.column('email_key').doNothing())
        .returning(accountColumns)
        .executeTakeFirst()
      return row ? accountOf(row) : 'email-taken'
    },

    async update(id, changes) {
      if (isEmpty(changes) || !mayBeStored(id)) return findBy('id', id)
      return transaction(db(), (trx) => updateIn(trx, id, changes))
    },

    async updateKeepingAdministrator(id, changes) {
      if (isEmpty(changes) || !mayBeStored(id)) return findBy('id', id)
      const mayEnd =
        changes.disabled === true || (changes.roles && !hasRole({ roles: changes.roles }, administrators))
      return transaction(db(), async (trx) => {
        const before = mayEnd ? await lockAdministrators(trx) : []
        const account = await updateIn(trx, id, changes)
        if (before.includes(id) && before.length === 1) throw new Undone('last-administrator' as const)
        return account
      })
    },

    async raiseVersion(id, known) {
      if (!mayBeStored(id)) return null
      await db()
        .updateTable('accounts')
        .set({ version: known + 1, updated_at: clock.wall() })
        .where('id', '=', id)
        .where('version', '<=', known)
        .execute()
      return findBy('id', id)
    },

    async passwordHash(id) {
      if (!mayBeStored(id)) return null
      const row = await db()
        .selectFrom('accounts')
        .select('password_hash')
        .where('id', '=', id)
        .executeTakeFirst()
      return row?.password_hash ?? null
    },

    async setPassword(id, passwordHash, expected) {
      if (!mayBeStored(id)) return 'gone'
      return transaction(db(), async (trx) => {
        const row = await trx
          .updateTable('accounts')
          .set({ password_hash: passwordHash, ...changed() })
          .where('id', '=', id)
          .$if(expected !== undefined, (query) => query.where('password_hash', '=', expected!))
          .returning('id')
          .executeTakeFirst()
        if (row) {
          await trx.deleteFrom('reset_tokens').where('account_id', '=', id).execute()
          return 'changed'
        }
        const there = await trx.selectFrom('accounts').select('id').where('id', '=', id).executeTakeFirst()
        return there ? 'conflict' : 'gone'
      })
    },

    addResetToken: (id, tokenHash, expiresAt) => addToken('reset_tokens', id, tokenHash, expiresAt),

    addVerificationToken: (id, tokenHash, expiresAt) =>
      addToken('verification_tokens', id, tokenHash, expiresAt),

    async findResetToken(tokenHash, now) {
      if (!mayBeStored(tokenHash)) return null
      const row = await db()
        .selectFrom('accounts')
        .innerJoin('reset_tokens', 'reset_tokens.account_id', 'accounts.id')
        .select(accountColumns)
        .where('token_hash', '=', tokenHash)
        .where('expires_at', '>', now)
        .executeTakeFirst()
      return row ? accountOf(row) : null
    },

    // The token came by mail: whoever shows it reads the mails of this address.
    resetPassword: (tokenHash, passwordHash, now) =>
      redeemToken('reset_tokens', tokenHash, now, { password_hash: passwordHash, email_verified: 1 }),

    verifyEmail: (tokenHash, now) =>
      redeemToken('verification_tokens', tokenHash, now, { email_verified: 1 }),
  }
}

async function ping(db: Kysely<Schema>): Promise<void> {
  await db.selectNoFrom(sql`1`.as('answer')).execute()
}

/** Thrown inside a transaction: nothing of it happened, and this is its result. */
class Undone<T> extends Error {
  readonly result: T

  constructor(result: T) {
    super('the transaction was undone')
    this.result = result
  }
}

async function transaction<T>(
  db: Kysely<Schema>,
  work: (trx: Transaction<Schema>) => Promise<T>,
): Promise<T> {
  try {
    return await db.transaction().execute(work)
  } catch (failure) {
    if (failure instanceof Undone) return failure.result
    throw failure
  }
}

function isEmpty(changes: AccountChanges): boolean {
  return Object.keys(columnsOf(changes)).length === 0
}

function columnsOf({ name, roles, disabled, emailVerified, tier }: AccountChanges): Partial<AccountsTable> {
  return {
    ...(name !== undefined && { name: storable('name', name) }),
    ...(roles !== undefined && { roles: rolesText(roles) }),
    ...(disabled !== undefined && { disabled: Number(disabled) }),
    ...(emailVerified !== undefined && { email_verified: Number(emailVerified) }),
    ...(tier !== undefined && { tier: storable('tier', tier) }),
  }
}

function rolesText(roles: readonly Role[]): string {
  return JSON.stringify([...new Set(roles)])
}

/** The pattern of texts that contain this one. */
function containing(text: string): string {
  return `%${text.replace(/[!%_]/g, '!$&')}%`
}

/** SQLite lowers no letters but those from A to Z, so neither do we. */
function lowerLetters(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
