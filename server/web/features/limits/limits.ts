import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import { emailKey } from '../../../../shared/accounts/email-key.ts'
import type { LoginPolicy } from '../../../../shared/limits/login-guard.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { requireIdentity } from '../../../../shared/app/context.ts'
import type { Limits } from '../../limits.ts'
import { problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Access, type Route } from '../../../../shared/app/route.ts'

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
    .describe('user:<id> or ip:<address>; an address for login-ip, an e-mail address for login-account'),
})
const standing = z.strictObject({
  policy: z.string(),
  key: z.string(),
  limit: z.int().nullable().describe('null: not limited'),
  windowMs: z.int().nullable(),
  charged: z.int().min(0),
  remaining: z.int().nullable(),
  retryAfterMs: z.number().min(0),
})

/** What stands against whom, and how to lift it. */
export function limitRoutesForAdmins({ limits, recordAuthEvent }: LimitRouteParts): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path,
      access,
      summary: 'What a user or an address has used of a limit',
      params,
      replies: {
        200: { description: 'Where it stands', body: standing },
        404: { description: 'No such limit' },
      },
      async handler(ctx, { params: { policy, key } }) {
        ctx.body = await standingOf(limits, policy, key)
      },
    }),
    defineRoute({
      method: 'DELETE',
      path,
      access,
      summary: 'Forget what a user or an address has used; every worker has when this is answered',
      params,
      replies: { 204: { description: 'Forgotten' }, 404: { description: 'No such limit' } },
      async handler(ctx, { params: { policy, key } }) {
        if (isLoginPolicy(policy)) await limits.guard.reset(policy, loginKey(policy, key))
        else await limits.limiter.reset(requirePolicy(limits, policy), key)
        recordAuthEvent(ctx, 'limit-reset', { user: requireIdentity(ctx).identity.user.id, policy })
        ctx.status = 204
      },
    }),
  ]
}

async function standingOf(
  limits: LimitRouteParts['limits'],
  policy: string,
  key: string,
): Promise<z.output<typeof standing>> {
  const unlimited = { policy, key, limit: null, windowMs: null, charged: 0, remaining: null, retryAfterMs: 0 }
  if (isLoginPolicy(policy)) {
    const found = await limits.guard.inspect(policy, loginKey(policy, key))
    return found ? { ...unlimited, ...found, remaining: Math.max(0, found.limit - found.charged) } : unlimited
  }
  const found = await limits.limiter.inspect(requirePolicy(limits, policy), key)
  if (!found) return unlimited
  const { limit, windowMs, charged, remaining, retryAfterMs } = found
  return { policy, key, limit, windowMs, charged, remaining, retryAfterMs }
}

function isLoginPolicy(policy: string): policy is LoginPolicy {
  return policy === 'login-ip' || policy === 'login-account'
}

/** Addresses are written alike for all policies; accounts are compared without regard to case. */
function loginKey(policy: LoginPolicy, key: string): string {
  return policy === 'login-ip' ? key.replace(/^ip:/, '') : emailKey(key)
}

function requirePolicy(limits: LimitRouteParts['limits'], policy: string): string {
  const names = limits.limiter.policies().map(({ name }) => name)
  if (names.includes(policy)) return policy
  const known = [...names, 'login-ip', 'login-account'].join(', ')
  throw problem('not-found', `there is no limit of this name; there are ${known}`)
}
