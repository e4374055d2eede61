import { z } from 'zod'
import type { Identity } from '../../../../shared/sessions/index.ts'
import { requireIdentity } from '../../../../shared/app/context.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { presentSession, presentUser, sessionSchema } from './representations.ts'

/**
 * Who am I? Both routes answer from the identity alone, as it was authenticated a moment before: no database, and
 * with a cached session no Redis either. They are asked more often than everything else together.
 */
export function meRoutes(userSchema: z.ZodObject): Route[] {
  // An identity is frozen and shared by the requests of its session, so its JSON is made once.
  // Text, not a buffer: Node sends text in one piece with the headers.
  const answers = new WeakMap<Identity, string>()

  function answerFor(identity: Identity): string {
    const known = answers.get(identity)
    if (known !== undefined) return known
    const { user, session } = identity
    const fresh = JSON.stringify({ user: presentUser(user), session: presentSession(session, session.id) })
    answers.set(identity, fresh)
    return fresh
  }

  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/auth/me',
      access: 'signed-in',
      inMaintenance: 'open',
      gate: false,
      summary: 'Who is signed in, and by which session',
      replies: {
        200: { description: 'The user', body: z.strictObject({ user: userSchema, session: sessionSchema }) },
      },
      handler(ctx) {
        const { identity } = requireIdentity(ctx)
        ctx.res.setHeader('Content-Type', 'application/json; charset=utf-8')
        ctx.body = answerFor(identity)
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/auth/verify',
      access: 'signed-in',
      inMaintenance: 'open',
      gate: false,
      summary: 'Forward authentication for nginx, Traefik and Envoy',
      replies: { 204: { description: 'Signed in; X-Auth-User, X-Auth-Roles and X-Auth-Session say who' } },
      handler(ctx) {
        const { user, session } = requireIdentity(ctx).identity
        ctx.set({
          'X-Auth-User': user.id,
          'X-Auth-Roles': user.roles.join(','),
          'X-Auth-Session': session.id,
        })
        ctx.status = 204
      },
    }),
  ]
}
