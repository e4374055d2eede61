import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { requireIdentity } from '../../../../shared/app/context.ts'
import { undoPolicy, type Limits } from '../../../../shared/limits/open-limits.ts'
import { problem, type Problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Access, type Route } from '../../../../shared/app/route.ts'
import { liftLimit, policiesOf, standingOf } from './standing.ts'

export interface LimitRouteParts {
  readonly limits: Pick<Limits, 'limiter' | 'guard'>
  readonly recordAuthEvent: RecordAuthEvent
}

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
export function limitRoutesForAdmins({ limits, recordAuthEvent }: LimitRouteParts): Route[] {
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
        const found = await standingOf(limits, policy, key)
        if (found === null) throw unknownPolicy(limits)
        ctx.body = found
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
        if ((await liftLimit(limits, policy, key)) === null) throw unknownPolicy(limits)
        recordAuthEvent(ctx, 'limit-reset', { user: requireIdentity(ctx).identity.user.id, policy })
        ctx.status = 204
      },
    }),
  ]
}

function unknownPolicy(limits: LimitRouteParts['limits']): Problem {
  return problem('not-found', `there is no limit of this name; there are ${policiesOf(limits).join(', ')}`)
}
