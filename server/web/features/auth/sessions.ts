import { z } from 'zod'
import type { Proof } from '../../../../shared/coherence/index.ts'
import type { Identity, Revocation, Sessions } from '../../../../shared/sessions/index.ts'
import type { RecordAuthEvent } from './auth-events.ts'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import { problem, revocationUnconfirmed } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { clearSessionCookie } from './session-cookie.ts'
import { id, label } from '../../routing/fields.ts'
import { presentSession, sessionSchema } from './representations.ts'

export interface SessionRouteParts {
  readonly sessions: Pick<
    Sessions,
    'authenticate' | 'list' | 'relabel' | 'revoke' | 'revokeById' | 'revokeUser'
  >
  readonly recordAuthEvent: RecordAuthEvent
}

const askAgain = 'it could not be confirmed that the session has ended everywhere: please ask again'

/**
 * Ends the session that the request shows; resolves when no worker accepts it any more, with what that rests on. For anyone, since a session
 * that is dead already is what was asked for.
 */
export function createLogout(
  parts: Pick<SessionRouteParts, 'recordAuthEvent'> & {
    sessions: Pick<Sessions, 'authenticate' | 'revoke'>
  },
): (ctx: AppContext) => Promise<Proof | undefined> {
  const { sessions, recordAuthEvent } = parts

  /** For the record only: whose session it was, if that can be told. */
  async function ownerOf(token: string): Promise<Identity | null> {
    try {
      return await sessions.authenticate(token)
    } catch {
      return null
    }
  }

  return async function logout(ctx) {
    const { token } = ctx.state
    let proof: Proof | undefined
    if (token !== null) {
      // Asked first and awaited together: the answers come in this order.
      const [owner, revocation] = await Promise.all([ownerOf(token), sessions.revoke(token)])
      const ended = confirmed(revocation)
      proof = ended.proof
      if (ended.outcome === 'revoked') {
        recordAuthEvent(ctx, 'logout', owner ? { user: owner.user.id, session: owner.session.id } : {})
      }
    }
    sayGoodbye(ctx)
    return proof
  }
}

/** A user's own sessions: seeing, naming and ending them. */
export function sessionRoutes(parts: SessionRouteParts): Route[] {
  const { sessions, recordAuthEvent } = parts
  const logout = createLogout(parts)

  /** Only a request that shows no session at all is told so. */
  async function logoutShown(ctx: AppContext): Promise<void> {
    if (ctx.state.credential === null) {
      throw problem('unauthenticated', 'there is no session to end: no cookie and no Bearer token was sent')
    }
    await logout(ctx)
    ctx.status = 204
  }

  async function logoutAll(ctx: AppContext, keepCurrent: boolean): Promise<void> {
    const { identity, token } = requireIdentity(ctx)
    const userId = identity.user.id
    const ended = confirmed(await sessions.revokeUser(userId, keepCurrent ? { keep: token } : {}))
    const revoked = countOf(ended)
    recordAuthEvent(ctx, 'logout-all', { user: userId, revoked, keepCurrent })
    if (!keepCurrent) sayGoodbye(ctx)
    ctx.body = { revoked }
  }

  async function list(ctx: AppContext): Promise<void> {
    const { user, session } = requireIdentity(ctx).identity
    const found = await sessions.list(user.id)
    ctx.body = { sessions: found.map((one) => presentSession(one, session.id)) }
  }

  async function rename(ctx: AppContext, label: string | null): Promise<void> {
    const { identity, token } = requireIdentity(ctx)
    if ((await sessions.relabel(token, label)) === 'gone') {
      throw problem('session-gone', 'the session ended meanwhile: nothing was changed')
    }
    ctx.body = { session: { ...presentSession(identity.session, identity.session.id), label } }
  }

  async function end(ctx: AppContext, sessionId: string): Promise<void> {
    const { user, session } = requireIdentity(ctx).identity
    const ended = confirmed(await sessions.revokeById(user.id, sessionId))
    if (ended.outcome === 'gone') throw problem('not-found', 'you have no such session (any more)')
    recordAuthEvent(ctx, 'session-ended', { user: user.id, session: sessionId })
    if (sessionId === session.id) sayGoodbye(ctx)
    ctx.status = 204
  }

  return [
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/logout',
      access: 'anyone',
      identify: false,
      inMaintenance: 'open',
      summary: 'End this session; 204 means that no worker accepts it any more',
      replies: {
        204: { description: 'Ended everywhere, or had ended before' },
        401: { description: 'No session was shown' },
      },
      handler: logoutShown,
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/logout-all',
      access: 'signed-in',
      inMaintenance: 'open',
      summary: 'End all sessions of the user',
      body: z.strictObject({ keepCurrent: z.boolean().default(false) }),
      replies: {
        200: { description: 'Ended everywhere', body: z.strictObject({ revoked: z.int().min(0) }) },
      },
      handler: (ctx, { body }) => logoutAll(ctx, body.keepCurrent),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/auth/sessions',
      access: 'signed-in',
      summary: 'The sessions of the user, newest first',
      replies: {
        200: { description: 'Sessions', body: z.strictObject({ sessions: z.array(sessionSchema) }) },
      },
      handler: list,
    }),
    defineRoute({
      method: 'PATCH',
      path: '/api/v1/auth/sessions/current',
      access: 'signed-in',
      summary: 'Give this session a label, or take it away with null',
      body: z.strictObject({ label: label.nullable() }),
      replies: { 200: { description: 'The session', body: z.strictObject({ session: sessionSchema }) } },
      handler: (ctx, { body }) => rename(ctx, body.label),
    }),
    defineRoute({
      method: 'DELETE',
      path: '/api/v1/auth/sessions/:id',
      access: 'signed-in',
      summary: 'End one session of the user',
      params: z.strictObject({ id }),
      replies: { 204: { description: 'Ended everywhere' }, 404: { description: 'No such session' } },
      handler: (ctx, { params }) => end(ctx, params.id),
    }),
  ]
}

/** The outcome of a revocation that is certain; anything else is a 503, and the cookie stays for asking again. */
function confirmed(ended: Revocation): Exclude<Revocation, { outcome: 'unconfirmed' }> {
  if (ended.outcome === 'unconfirmed') throw revocationUnconfirmed(askAgain, ended.cause)
  return ended
}

function countOf(ended: Exclude<Revocation, { outcome: 'unconfirmed' }>): number {
  return ended.outcome === 'revoked' ? ended.count : 0
}

/** Takes back what the browser holds of the session that has just ended. */
export function sayGoodbye(ctx: AppContext): void {
  if (ctx.state.credential !== 'cookie') return
  clearSessionCookie(ctx)
  ctx.set('Clear-Site-Data', '"cookies", "storage"')
}
