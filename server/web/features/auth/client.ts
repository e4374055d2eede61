/** What a sign-in knows of the client that asks for it. */
import type { AppContext } from '../../../../shared/app/context.ts'
import { revocationUnconfirmed } from '../../../../shared/app/problem.ts'
import { shownUserAgent, type Device, type Sessions } from '../../../../shared/sessions/index.ts'

export function deviceOf(ctx: AppContext, label: string | null): Device {
  return { label, userAgent: shownUserAgent(ctx.req.headers['user-agent']), ip: ctx.state.clientIp }
}

/** A sign-in replaces the session that the client had, so that a session known to others cannot be extended. */
export async function endPresentedSession(
  sessions: Pick<Sessions, 'revoke'>,
  { state: { token } }: AppContext,
): Promise<void> {
  if (token === null) return
  const ended = await sessions.revoke(token)
  if (ended.outcome === 'unconfirmed') {
    throw revocationUnconfirmed('the session you had may not have ended: please sign in again', ended.cause)
  }
}
