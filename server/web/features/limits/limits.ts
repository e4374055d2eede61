import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import { defineRoute, type Access, type Route } from '../../../../shared/app/route.ts'
import { undoPolicy } from '../../../../shared/limits/open-limits.ts'
import { createLimitOperations, type LimitOperationParts } from './limit-operations.ts'

const access: Access = { roles: administrators }
const path = '/api/v1/admin/limits/:policy/:key'
const params = z.strictObject({
  policy: z.string().max(64),
  key: z
    .string()
    .max(512)
    .describe(
      'user:<id> or ip:<address>; an address for login-ip, an e-mail address for login-account and reset-mails',
    ),
})
const standing = z
  .strictObject({
    policy: z.string(),
    key: z.string(),
    limit: z.int().nullable().describe('null: not limited'),
    windowMs: z.int().nullable(),
    charged: z.int().min(0),
    remaining: z.int().nullable(),
    retryAfterMs: z.number().min(0),
  })
  .meta({ id: 'LimitStanding' })

/** What stands against whom, and how to lift it. */
export function limitRoutesForAdmins(parts: LimitOperationParts): Route[] {
  const limits = createLimitOperations(parts)
  return [
    defineRoute({
      method: 'GET',
      path,
      access,
      limits: [undoPolicy],
      summary: 'What a user or an address has used of a limit',
      params,
      replies: {
        200: { description: 'Where it stands', body: standing },
        404: { description: 'No such limit' },
      },
      async handler(ctx, { params: { policy, key } }) {
        ctx.body = await limits.inspect(policy, key)
      },
    }),
    defineRoute({
      method: 'DELETE',
      path,
      access,
      limits: [undoPolicy],
      summary: 'Forget what a user or an address has used; every worker has when this is answered',
      params,
      replies: { 204: { description: 'Forgotten' }, 404: { description: 'No such limit' } },
      async handler(ctx, { params: { policy, key } }) {
        await limits.reset(ctx, policy, key)
        ctx.status = 204
      },
    }),
  ]
}
