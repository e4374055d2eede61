/** `sessions.signIn` of the parts: for applications that sign users in by themselves (`accounts: null`, or another way in). */
import type { z } from 'zod'
import { checkIdentity } from '../../../../shared/accounts/checked-identity.ts'
import type { AppIdentity } from '../../../../shared/app/context.ts'
import type { AppSignIn } from '../../../../shared/app/parts.ts'
import { Problem, problem, revocationUnconfirmed } from '../../../../shared/app/problem.ts'
import type { Created, Sessions } from '../../../../shared/sessions/index.ts'
import type { RecordAuthEvent } from './auth-events.ts'
import { deviceOf, endPresentedSession } from './client.ts'
import { setSessionCookie } from './session-cookie.ts'
import type { NoticeSignIn } from './sign-in-notices.ts'

export interface ApplicationSignInParts {
  readonly sessions: Pick<Sessions, 'prepareLogin' | 'create' | 'revoke'>
  readonly recordAuthEvent: RecordAuthEvent
  readonly noticeSignIn: NoticeSignIn
  /** What the profile of each user must be; left out: anything that is JSON. */
  readonly profile?: z.ZodObject
  /** End the user's other sessions at login. */
  readonly endOthers: boolean
  readonly rememberAbsoluteMs: number
}

/** The rules of our own login: the ticket before `verify`, the presented session ended, one more try when overtaken. */
export function applicationSignIn(parts: ApplicationSignInParts): AppSignIn {
  const { sessions, recordAuthEvent, noticeSignIn, profile, endOthers, rememberAbsoluteMs } = parts

  return async function signIn(ctx, userId, verify, options = {}) {
    const { remember = false, label = null, transport = 'cookie' } = options
    const refusals: Problem[] = []
    const identity = checkIdentity(
      {
        identify: () => userId,
        verify: async () => {
          try {
            return await verify()
          } catch (cause) {
            if (cause instanceof Problem) refusals.push(cause)
            throw cause
          }
        },
      },
      profile ? { profile } : {},
    )

    async function attempt(): Promise<Created | null> {
      const ticket = await sessions.prepareLogin(userId)
      const subject = await identity.verify(userId, '').catch((cause: unknown) => {
        throw refusals[0] ?? cause
      })
      if (subject === null) return null
      await endPresentedSession(sessions, ctx)
      return sessions.create(ticket, { subject, remember, device: deviceOf(ctx, label), endOthers })
    }

    const first = await attempt()
    const created = first?.outcome === 'superseded' ? await attempt() : first
    if (created === null || created.outcome === 'disabled') {
      recordAuthEvent(ctx, 'login-failed', { user: userId, reason: created?.outcome ?? 'refused' })
      return null
    }
    if (created.outcome === 'superseded') {
      throw problem(
        'login-superseded',
        'the sessions of this user were ended meanwhile, please sign in again',
      )
    }
    if (created.outcome === 'unconfirmed') {
      throw revocationUnconfirmed(
        'your other sessions may not have ended: please sign in again',
        created.cause,
      )
    }
    const { token } = created
    const signedIn = created.identity as AppIdentity
    ctx.state.token = token
    ctx.state.identity = signedIn
    ctx.state.credential = transport === 'cookie' ? 'cookie' : 'bearer'
    noticeSignIn(signedIn)
    recordAuthEvent(ctx, 'login', { user: userId, session: signedIn.session.id, transport })
    if (transport === 'cookie') setSessionCookie(ctx, token, remember ? rememberAbsoluteMs : null)
    return { token, identity: signedIn }
  }
}
