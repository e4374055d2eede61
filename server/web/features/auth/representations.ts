/** How users and sessions look from outside, beside the schemas that document it. */
import { z } from 'zod'
import { subjectOf } from '../../../../shared/accounts/account-subject.ts'
import type { Account, ListedAccount } from '../../../../shared/accounts/accounts.ts'
import type { App } from '../../../../shared/app/app.ts'
import type { SessionInfo, Subject } from '../../../../shared/sessions/index.ts'

const profileSchema = z.strictObject({
  email: z.string(),
  name: z.string(),
  tier: z.string(),
  emailVerified: z.boolean(),
})

/** A user with the profile that an application gives its own. */
export function userSchemaWith<Shape extends z.ZodRawShape>(profile: z.ZodObject<Shape>) {
  return profile.extend({ id: z.string(), roles: z.array(z.string()) })
}

export const userSchema = userSchemaWith(profileSchema).meta({ id: 'User' })

/** Of our own accounts, or of the users that an application brings, with what it says of their profile. */
export function userSchemaOf({ accounts, profile }: Pick<App, 'accounts' | 'profile'>): z.ZodObject {
  return accounts === undefined ? userSchema : userSchemaWith(profile ?? z.looseObject({}))
}

export function presentUser({ id, roles, profile }: Subject) {
  return { ...profile, id, roles }
}

export const accountSchema = userSchema
  .extend({
    disabled: z.boolean(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Account' })

export function presentAccount(account: Account) {
  const { disabled, createdAt, updatedAt } = account
  return {
    ...presentUser(subjectOf(account)),
    disabled,
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
  }
}

export const listedAccountSchema = accountSchema
  .extend({
    damaged: z
      .array(z.string())
      .optional()
      .describe(
        'what is wrong with the record; safe values stand for what is not readable, until a change repairs it',
      ),
  })
  .meta({ id: 'ListedAccount' })

export function presentListed(account: ListedAccount) {
  return { ...presentAccount(account), ...(account.damaged ? { damaged: account.damaged } : {}) }
}

export const sessionSchema = z
  .strictObject({
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
  .meta({ id: 'Session' })

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
