/** How users and sessions look from outside, beside the schemas that document it. */
import { z } from 'zod'
import { roles, type Account } from '../../../../shared/accounts/accounts.ts'
import type { SessionInfo, Subject } from '../../../../shared/sessions/sessions.ts'

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
  const { id, roles, version, email, name, tier, emailVerified } = account
  return { id, roles, version, profile: { email, name, tier, emailVerified } }
}

export const userSchema = z.strictObject({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  roles: z.array(z.enum(roles)),
  tier: z.string(),
  emailVerified: z.boolean(),
})

export function presentUser({ id, roles, profile }: Subject) {
  const { email, name, tier, emailVerified } = profile
  return { id, email, name, roles, tier, emailVerified }
}

export const accountSchema = userSchema.extend({
  disabled: z.boolean(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})

export function presentAccount(account: Account) {
  const { disabled, createdAt, updatedAt } = account
  return {
    ...presentUser(subjectOf(account)),
    disabled,
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
  }
}

export const sessionSchema = z.strictObject({
  id: z.string().describe('public: opens nothing'),
  label: z.string().nullable(),
  userAgent: z.string().nullable(),
  ip: z.string().nullable(),
  createdAt: z.iso.datetime(),
  lastSeenAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().describe('when it ends whatever its use'),
  remember: z.boolean(),
  current: z.boolean(),
})

/** @param currentId the session that asks */
export function presentSession(session: SessionInfo, currentId: string) {
  const { id, label, userAgent, ip, remember } = session
  return {
    id,
    label,
    userAgent,
    ip,
    createdAt: iso(session.createdAt),
    lastSeenAt: iso(session.lastSeenAt),
    expiresAt: iso(session.absoluteExpiresAt),
    remember,
    current: id === currentId,
  }
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
