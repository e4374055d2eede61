import type { Subject } from '../sessions/index.ts'
import type { Account } from './accounts.ts'

/** What of an account is at hand on every request, without a database trip. */
export interface Profile {
  readonly email: string
  readonly name: string
  readonly tier: string
  readonly emailVerified: boolean
  readonly [more: string]: unknown
}

/** The account as sessions know it. The only place where one becomes the other. */
export function subjectOf(account: Account): Subject & { readonly profile: Profile } {
  const { id, roles, version, lineage, email, name, tier, emailVerified } = account
  return { id, roles, version, lineage, profile: { email, name, tier, emailVerified } }
}
