import { sql } from 'kysely'
import { z } from 'zod'
import type { Account, ListedAccount } from './accounts.ts'
import { isRoleName } from './roles.ts'

/** The columns an `Account` is made of: all but the password hash, which leaves the store only when asked for. */
export const accountColumns = [
  'accounts.id',
  'accounts.email',
  'accounts.name',
  'accounts.roles',
  'accounts.disabled',
  'accounts.email_verified',
  'accounts.tier',
  'accounts.version',
  'accounts.created_at',
  'accounts.updated_at',
  sql<string>`(select id from installation)`.as('lineage'),
] as const

const flag = z.union([z.literal(0), z.literal(1)]).transform((value) => value === 1)
const moment = z.number().int().nonnegative()

const rolesText = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      context.addIssue({ code: 'custom', message: 'is not JSON' })
      return z.NEVER
    }
  })
  .pipe(z.array(z.string().refine(isRoleName, 'is not the name of a role')))

const columns = {
  id: z.string().min(1),
  email: z.string().min(1),
  name: z.string(),
  roles: rolesText,
  disabled: flag,
  email_verified: flag,
  tier: z.string(),
  version: z.number().int().positive(),
  created_at: moment,
  updated_at: moment,
  lineage: z.string().min(1),
}
const accountRow = z.object(columns)
type AccountRow = z.output<typeof accountRow>

/** What a row says. Throws when someone wrote nonsense into it: an account half understood opens doors. */
export function accountOf(row: { readonly id: unknown }): Account {
  const { data, error } = accountRow.safeParse(row)
  if (error) {
    throw new Error(`the record of account ${String(row.id)} is damaged (${faultsIn(error).join('; ')})`)
  }
  return account(data)
}

/** What a row says, for a list, whatever is in it. */
export function listedAccountOf(row: { readonly id: unknown; readonly email_key: unknown }): ListedAccount {
  const { data, error } = accountRow.safeParse(row)
  if (!error) return account(data)
  return Object.freeze({ ...account(readableOf(row)), damaged: faultsIn(error) })
}

/**
 * The columns of a row that no one can read, each with a value that opens nothing; null when there are none. Stored,
 * they put the record right.
 */
export function repairsOf(row: { readonly id: unknown; readonly email_key: unknown }) {
  const { error } = accountRow.safeParse(row)
  if (!error) return null
  const damaged = new Set(error.issues.map(({ path }) => path[0]))
  const readable = readableOf(row)
  const stored = {
    ...readable,
    roles: JSON.stringify(readable.roles),
    disabled: Number(readable.disabled),
    email_verified: Number(readable.email_verified),
  }
  const repairable = Object.entries(stored).filter(([column]) => column !== 'id' && column !== 'lineage')
  return Object.fromEntries(repairable.filter(([column]) => damaged.has(column)))
}

/** Each column as it is, or a safe value where it can't be read. */
function readableOf(row: { readonly id: unknown; readonly email_key: unknown }): AccountRow {
  const id = String(row.id)
  const key = columns.email.safeParse(row.email_key)
  const safe: AccountRow = {
    id,
    email: key.success ? key.data : `${id}@damaged.invalid`,
    name: '',
    roles: [],
    disabled: true,
    email_verified: false,
    tier: 'free',
    version: 1,
    created_at: 0,
    updated_at: 0,
    lineage: '',
  }
  const read = Object.entries(columns).flatMap(([column, schema]) => {
    const { success, data } = schema.safeParse((row as Record<string, unknown>)[column])
    return success ? [[column, data]] : []
  })
  return { ...safe, ...(Object.fromEntries(read) as Partial<AccountRow>) }
}

function account(row: AccountRow): Account {
  const { email_verified: emailVerified, created_at: createdAt, updated_at: updatedAt, ...same } = row
  return Object.freeze({ ...same, emailVerified, createdAt, updatedAt })
}

function faultsIn({ issues }: z.ZodError): string[] {
  return issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}
