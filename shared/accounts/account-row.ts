import { z } from 'zod'
import type { Account } from './accounts.ts'
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

const accountRow = z.object({
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
})

/** What a row says. Throws when somebody wrote nonsense into it: an account half understood opens doors. */
export function accountOf(row: { readonly id: unknown }): Account {
  const { data, error } = accountRow.safeParse(row)
  if (error) {
    const faults = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new Error(`the record of account ${String(row.id)} is damaged (${faults.join('; ')})`)
  }
  const { email_verified: emailVerified, created_at: createdAt, updated_at: updatedAt, ...same } = data
  return Object.freeze({ ...same, emailVerified, createdAt, updatedAt })
}
