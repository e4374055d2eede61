/** The tables of the accounts, the same on every database, and how they come into being. */
import { randomUUID } from 'node:crypto'
import { Migrator, sql, type Kysely, type Migration } from 'kysely'

export interface Schema {
  accounts: AccountsTable
  reset_tokens: MailTokensTable
  verification_tokens: MailTokensTable
  audit: AuditTable
  installation: InstallationTable
  deployments: DeploymentsTable
}

export interface AccountsTable {
  id: string
  email: string
  /** `emailKey(email)`: unique, and the order of lists. */
  email_key: string
  name: string
  /** JSON: an array of roles. */
  roles: string
  /** 0 or 1: SQLite has no booleans. */
  disabled: number
  email_verified: number
  tier: string
  password_hash: string
  version: number
  /** Milliseconds since 1970. */
  created_at: number
  updated_at: number
}

export interface MailTokensTable {
  /** SHA-256 of the token: anyone who reads the database can't use it. */
  token_hash: string
  account_id: string
  /** Milliseconds since 1970. */
  expires_at: number
}

/** One row: what tells this database from every other. */
export interface InstallationTable {
  id: string
  /** 0 or 1: whether it had accounts before deployments had names. */
  older_than_names: number
}

export interface DeploymentsTable {
  /** As configured; empty for having none. */
  name: string
  key_space: string
  created_at: number
}

export interface AuditTable {
  /** Begins with the time: the order of the trail. */
  id: string
  /** Milliseconds since 1970. */
  at: number
  actor: string | null
  action: string
  subject: string | null
  session: string | null
  ip: string | null
  request_id: string | null
  /** JSON: an object. */
  details: string
}

/**
 * Brings the tables to the newest version; does nothing when they are. Safe when several processes do it at
 * once: all of it is one transaction, under a lock.
 *
 * `exactText` is the type of a text that sorts by its bytes, in the words of the database.
 */
export async function migrateSchema(db: Kysely<Schema>, exactText: string): Promise<void> {
  const { error } = await migrator(db, exactText).migrateToLatest()
  if (error !== undefined) throw error
}

/** The names of the migrations that `migrateSchema` would run, in order. Changes nothing. */
export async function missingMigrations(db: Kysely<Schema>, exactText: string): Promise<string[]> {
  const known = await migrator(db, exactText).getMigrations()
  return known.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name)
}

function migrator(db: Kysely<Schema>, exactText: string): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => migrations(exactText) } })
}

function migrations(exactText: string): Record<string, Migration> {
  return {
    '001-accounts': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('accounts')
          .addColumn('id', 'text', (column) => column.primaryKey())
          .addColumn('email', 'text', (column) => column.notNull())
          .addColumn('email_key', sql.raw(exactText), (column) => column.notNull().unique())
          .addColumn('name', 'text', (column) => column.notNull())
          .addColumn('roles', 'text', (column) => column.notNull())
          .addColumn('disabled', 'integer', (column) => column.notNull())
          .addColumn('email_verified', 'integer', (column) => column.notNull())
          .addColumn('tier', 'text', (column) => column.notNull())
          .addColumn('password_hash', 'text', (column) => column.notNull())
          .addColumn('version', 'integer', (column) => column.notNull())
          .addColumn('created_at', 'bigint', (column) => column.notNull())
          .addColumn('updated_at', 'bigint', (column) => column.notNull())
          .execute()
      },
    },
    '002-reset-tokens': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('reset_tokens')
          .addColumn('token_hash', 'text', (column) => column.primaryKey())
          .addColumn('account_id', 'text', (column) =>
            column.notNull().references('accounts.id').onDelete('cascade'),
          )
          .addColumn('expires_at', 'bigint', (column) => column.notNull())
          .execute()
        await db.schema
          .createIndex('reset_tokens_account_id')
          .on('reset_tokens')
          .column('account_id')
          .execute()
      },
    },
    '003-audit': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('audit')
          .addColumn('id', sql.raw(exactText), (column) => column.primaryKey())
          .addColumn('at', 'bigint', (column) => column.notNull())
          .addColumn('actor', 'text')
          .addColumn('action', 'text', (column) => column.notNull())
          .addColumn('subject', 'text')
          .addColumn('session', 'text')
          .addColumn('ip', 'text')
          .addColumn('request_id', 'text')
          .addColumn('details', 'text', (column) => column.notNull())
          .execute()
        for (const column of ['actor', 'action', 'subject']) {
          await db.schema.createIndex(`audit_${column}`).on('audit').columns([column, 'id']).execute()
        }
      },
    },
    '004-deployments': {
      async up(db: Kysely<Schema>) {
        await db.schema
          .createTable('installation')
          .addColumn('id', 'text', (column) => column.primaryKey())
          .addColumn('older_than_names', 'integer', (column) => column.notNull())
          .execute()
        await db.schema
          .createTable('deployments')
          .addColumn('name', 'text', (column) => column.primaryKey())
          .addColumn('key_space', 'text', (column) => column.notNull())
          .addColumn('created_at', 'bigint', (column) => column.notNull())
          .execute()
        const account = await db.selectFrom('accounts').select('id').limit(1).executeTakeFirst()
        await db
          .insertInto('installation')
          .values({ id: randomUUID(), older_than_names: account ? 1 : 0 })
          .execute()
      },
    },
    '005-verification-tokens': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('verification_tokens')
          .addColumn('token_hash', 'text', (column) => column.primaryKey())
          .addColumn('account_id', 'text', (column) =>
            column.notNull().references('accounts.id').onDelete('cascade'),
          )
          .addColumn('expires_at', 'bigint', (column) => column.notNull())
          .execute()
        await db.schema
          .createIndex('verification_tokens_account_id')
          .on('verification_tokens')
          .column('account_id')
          .execute()
      },
    },
  }
}
