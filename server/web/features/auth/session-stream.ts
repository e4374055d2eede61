import type { AppContext } from '../../../../shared/app/context.ts'
import { invalidFields } from '../../../../shared/app/problem.ts'
import type { Access, Route } from '../../../../shared/app/route.ts'
import { defineStream } from '../../../../shared/app/stream.ts'
import type { ServerServices } from '../feature.ts'

export const sessionStreamPath = '/api/v1/auth/stream'

/**
 * Says nothing but the end: `session-ended`, and with `?roles=viewer,operator` also `access-lost` once the user has none
 * of them any more.
 */
export function sessionStreamRoute({ liveRoute }: Pick<ServerServices, 'liveRoute'>): Route {
  const stream = defineStream({
    path: sessionStreamPath,
    access: 'signed-in',
    limits: [],
    summary: 'When the session ends, or the user loses the roles that are named',
    open() {},
  })
  return liveRoute(stream, accessOf)
}

function accessOf(ctx: AppContext): Access {
  const { roles } = ctx.query
  if (roles === undefined) return 'signed-in'
  const names = typeof roles === 'string' && roles.length <= 1_024 ? roles.split(',') : []
  const [first, ...others] = names.filter((name) => name !== '')
  if (first === undefined) {
    throw invalidFields([{ field: 'roles', message: 'must be names of roles, with commas between them' }])
  }
  return { roles: [first, ...others] }
}
