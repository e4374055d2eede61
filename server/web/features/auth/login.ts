import { z } from 'zod'
import { subjectOf } from '../../../../shared/accounts/account-subject.ts'
import type { Account, AccountStore, Passwords } from '../../../../shared/accounts/accounts.ts'
import type { Created, Sessions } from '../../../../shared/sessions/sessions.ts'
import type { LoginGuard } from '../../../../shared/limits/login-guard.ts'
import type { RecordAuthEvent } from './auth-events.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem, revocationUnconfirmed } from '../../../../shared/app/problem.ts'
import { isWrongGuess, reserveGuess } from './guard-login.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import type { NoticeSignIn } from './sign-in-notices.ts'
import { setSessionCookie } from './session-cookie.ts'
import { email, givenPassword, label } from '../../routing/fields.ts'
import { presentSession, presentUser, sessionSchema, userSchema } from './representations.ts'

export interface LoginParts {
  readonly sessions: Pick<Sessions, 'prepareLogin' | 'create' | 'revoke'>
  readonly accounts: Pick<AccountStore, 'findByEmail' | 'findById' | 'passwordHash'>
  readonly passwords: Pick<Passwords, 'verify'>
  readonly recordAuthEvent: RecordAuthEvent
  readonly noticeSignIn: NoticeSignIn
  /** Against guessing, under the rules of the moment. */
  readonly guard: () => LoginGuard
  /** End the user's other sessions at login. */
  readonly endOthers: boolean
  readonly rememberAbsoluteMs: number
}

const loginBody = z.strictObject({
  email,
  password: givenPassword,
  remember: z.boolean().default(false).describe('stay signed in when the browser is closed'),
  label: label.optional().describe('a name for this session, such as “work laptop”'),
  transport: z
    .enum(['cookie', 'token'])
    .default('cookie')
    .describe('token: the token comes in the body, for Authorization: Bearer'),
})
type Login = z.output<typeof loginBody>

/** Stands for every account that does not exist, so that asking for one costs what asking for a real one costs. */
const nobody = 'nobody'

/**
 * Signing in. What a stranger can learn here is the same, in words and in time, whether the address is unknown,
 * the password wrong or the account disabled.
 */
export function loginRoute(parts: LoginParts): Route {
  const { sessions, accounts, passwords, recordAuthEvent } = parts

  /** The guess counts before it is tried; not when it was right, nor when it could not be tried. */
  async function guardedLogin(ctx: AppContext, body: Login): Promise<void> {
    const guess = await reserveGuess(parts.guard(), ctx, body.email)
    try {
      await login(ctx, body)
    } catch (fault) {
      if (!isWrongGuess(fault)) await guess.refund()
      throw fault
    }
    await guess.refund()
  }

  async function login(ctx: AppContext, body: Login): Promise<void> {
    const known = await accounts.findByEmail(body.email)
    const first = await attempt(ctx, known, body)
    // Somebody ended all sessions of this user while we were at it; perhaps by a new password, so we look again.
    const created = first.outcome === 'superseded' ? await attempt(ctx, known, body) : first
    switch (created.outcome) {
      case 'created':
        return welcome(ctx, created, body)
      case 'disabled':
        throw refused(ctx, known, 'disabled')
      case 'superseded':
        throw problem(
          'login-superseded',
          'the sessions of this user were ended meanwhile, please sign in again',
        )
      case 'unconfirmed':
        throw revocationUnconfirmed(
          'your other sessions may not have ended: please sign in again',
          created.cause,
        )
    }
  }

  /**
   * The ticket is taken before the account is read: if the password, the roles or `disabled` change after this
   * reading, the ticket is void and nothing is created.
   */
  async function attempt(ctx: AppContext, known: Account | null, body: Login): Promise<Created> {
    const id = known?.id ?? nobody
    const ticket = await sessions.prepareLogin(id)
    const [account, hash] = await Promise.all([accounts.findById(id), accounts.passwordHash(id)])
    const matches = await passwords.verify(hash, body.password)
    if (!account || !matches) throw refused(ctx, account, account ? 'wrong password' : 'unknown address')
    if (account.disabled) throw refused(ctx, account, 'disabled')
    await endPresentedSession(ctx)
    return sessions.create(ticket, {
      subject: subjectOf(account),
      remember: body.remember,
      device: { label: body.label ?? null, userAgent: userAgentOf(ctx), ip: ctx.state.clientIp },
      endOthers: parts.endOthers,
    })
  }

  /** A sign-in replaces the session that the client had, so that a session known to others cannot be extended. */
  async function endPresentedSession(ctx: AppContext): Promise<void> {
    const { token } = ctx.state
    if (token === null) return
    const ended = await sessions.revoke(token)
    if (ended.outcome === 'unconfirmed') {
      throw revocationUnconfirmed('the session you had may not have ended: please sign in again', ended.cause)
    }
  }

  function welcome(ctx: AppContext, created: Extract<Created, { outcome: 'created' }>, body: Login): void {
    const { token, identity } = created
    const { user, session } = identity
    parts.noticeSignIn(identity)
    recordAuthEvent(ctx, 'login', { user: user.id, session: session.id, transport: body.transport })
    const answer = { user: presentUser(user), session: presentSession(session, session.id) }
    if (body.transport === 'token') {
      ctx.body = { ...answer, token }
      return
    }
    setSessionCookie(ctx, token, body.remember ? parts.rememberAbsoluteMs : null)
    ctx.body = answer
  }

  function refused(ctx: AppContext, account: Account | null, reason: string) {
    recordAuthEvent(ctx, 'login-failed', { ...(account ? { user: account.id } : {}), reason })
    return problem('invalid-credentials', 'the e-mail address or the password is wrong')
  }

  return defineRoute({
    method: 'POST',
    path: '/api/v1/auth/login',
    access: 'anyone',
    inMaintenance: 'open',
    summary: 'Sign in; the session that the request carries, if any, is ended first',
    body: loginBody,
    replies: {
      200: {
        description: 'Signed in, by a cookie or with the token in the body',
        body: z.strictObject({ user: userSchema, session: sessionSchema, token: z.string().optional() }),
      },
      401: { description: 'Wrong e-mail address or password' },
    },
    handler: (ctx, { body }) => guardedLogin(ctx, body),
  })
}

const longestUserAgent = 256

/** Made of what the client says: printable, and no longer than helps to recognise a device. */
function userAgentOf(ctx: AppContext): string | null {
  const text = ctx.req.headers['user-agent']?.replace(/[^\x20-\x7e]/g, '').slice(0, longestUserAgent)
  return text === undefined || text === '' ? null : text
}
