import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import type { AccountStore } from '../../../../shared/accounts/accounts.ts'
import type { AuditEntry } from '../../../../shared/accounts/audit.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { id, pageLimit } from '../../routing/fields.ts'

export interface AuditRouteParts {
  readonly accounts: Pick<AccountStore, 'audit'>
}

const moment = z.iso
  .datetime()
  .transform((text) => Date.parse(text))
  .optional()

const entrySchema = z
  .strictObject({
    id: z.string(),
    at: z.iso.datetime(),
    actor: z.string().nullable().describe('the id of the user who did it; null for a stranger'),
    action: z.string(),
    subject: z.string().nullable().describe('what it was done to: the id of a user, or queue/job'),
    session: z.string().nullable().describe('public id of the session it was done with, or done to'),
    ip: z.string().nullable(),
    requestId: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' })

/** Who did what, when and from where, for administrators. */
export function auditRoutes({ accounts }: AuditRouteParts): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/admin/audit',
      access: { roles: administrators },
      summary: 'The audit trail, newest first, page by page',
      query: z.strictObject({
        after: id.optional().describe('the `next` of the page before'),
        limit: pageLimit,
        user: id.optional().describe('only what this user did, or what was done to them'),
        action: id.optional().describe('such as login-failed'),
        from: moment.describe('only what happened then or later'),
        until: moment.describe('only what happened before'),
      }),
      replies: {
        200: {
          description: 'A page; `next` is what to send as `after` for the one that follows',
          body: z.strictObject({ entries: z.array(entrySchema), next: z.string().nullable() }),
        },
      },
      async handler(ctx, { query }) {
        const found = await accounts.audit.list(query)
        const next = found.length === query.limit ? (found.at(-1)?.id ?? null) : null
        ctx.body = { entries: found.map(presentEntry), next }
      },
    }),
  ]
}

export function presentEntry(entry: AuditEntry) {
  return { ...entry, at: new Date(entry.at).toISOString() }
}
