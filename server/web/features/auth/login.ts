import { z } from 'zod'
import type { CheckedIdentity } from '../../../../shared/accounts/checked-identity.ts'
import type { EffectiveAccounts } from '../../../../shared/accounts/effective-account.ts'
import type { Created, Sessions, Subject } from '../../../../shared/sessions/index.ts'
import type { LoginGuard } from '../../../../shared/limits/login-guard.ts'
import type { RecordAuthEvent } from './auth-events.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem, revocationUnconfirmed } from '../../../../shared/app/problem.ts'
import { deviceOf, endPresentedSession } from './client.ts'
import { isWrongGuess, reserveGuess } from './guard-login.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { undoPolicy } from '../../../../shared/limits/open-limits.ts'
import { localeOf } from '../pages/locale.ts'
import type { NoticeSignIn } from './sign-in-notices.ts'
import { setSessionCookie } from './session-cookie.ts'
import { accountName, email, givenPassword, label } from '../../routing/fields.ts'
import { presentSession, presentUser, sessionSchema } from './representations.ts'

export interface LoginParts {
  readonly sessions: Pick<Sessions, 'prepareLogin' | 'create' | 'revoke' | 'authenticate'>
  /** Who may sign in: our accounts, or those of the application. */
  readonly identity: CheckedIdentity
  /** How users look from outside. */
  readonly userSchema: z.ZodObject
  /** Where those who sign in are in our own accounts. */
  readonly effective?: Pick<EffectiveAccounts, 'settle'>
  readonly recordAuthEvent: RecordAuthEvent
  readonly noticeSignIn: NoticeSignIn
  /** Against guessing. */
  readonly guard: Pick<LoginGuard, 'attempt'>
  /** End the user's other sessions at login. */
  readonly endOthers: boolean
  readonly rememberAbsoluteMs: number
}

const rest = {
  password: givenPassword,
  remember: z.boolean().default(false).describe('stay signed in when the browser is closed'),
  label: label.optional().describe('a name for this session, such as “work laptop”'),
  transport: z
    .enum(['cookie', 'token'])
    .default('cookie')
    .describe('token: the token comes in the body, for Authorization: Bearer'),
}
const byEmail = z.strictObject({ email, ...rest })
/** For an application's own accounts: their names need not be addresses. Clients of ours send them as `email`. */
const byName = z
  .strictObject({
    name: accountName.optional().describe('the name that the accounts know; or `email` in its place'),
    email: accountName.optional().describe('the same as `name`'),
    ...rest,
  })
  .refine(({ name, email }) => (name === undefined) !== (email === undefined), {
    path: ['name'],
    error: 'or email must be given, and not both',
  })
type Login = z.output<typeof byEmail> | z.output<typeof byName>

function nameIn(body: Login): string {
  return ('name' in body ? body.name : undefined) ?? body.email ?? ''
}

type Session = Extract<Created, { outcome: 'created' }>

/** Whose ticket is taken when the name is unknown, so that Redis is asked the same. */
const nobody = 'nobody'

/**
 * Signing in. What a stranger can learn here is the same, in words and in time, whether the address is unknown,
 * the password wrong or the account disabled.
 */
export function loginRoute(parts: LoginParts): Route {
  const { sessions, identity, recordAuthEvent } = parts
  const own = parts.effective !== undefined

  /** The guess has its place before it is tried, and counts when it was wrong: before the client is told so. */
  async function guardedLogin(ctx: AppContext, body: Login): Promise<void> {
    const guess = await reserveGuess(parts.guard, ctx, nameIn(body))
    try {
      await login(ctx, body)
    } catch (fault) {
      await (isWrongGuess(fault) ? guess.count() : guess.refund())
      throw fault
    }
    await guess.refund()
  }

  async function login(ctx: AppContext, body: Login): Promise<void> {
    const id = await identity.identify(nameIn(body))
    const first = await attempt(ctx, id, body)
    const created = (await isWorthAnother(first, id)) ? await attempt(ctx, id, body) : first
    switch (created.outcome) {
      case 'created':
        return welcome(ctx, created, body)
      case 'disabled':
        throw refused(ctx, id, 'disabled')
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
   * Someone ended all sessions of this user while we were at it, perhaps by a new password: so we look again. The same
   * where sessions say that the user is disabled, and the account does not.
   */
  async function isWorthAnother({ outcome }: Created, id: string | null): Promise<boolean> {
    if (outcome === 'superseded') return true
    return outcome === 'disabled' && id !== null && (await parts.effective?.settle(id)) === true
  }

  /**
   * The ticket is taken before the account is read: if the password, the roles or `disabled` change after this
   * reading, the ticket is void and nothing is created.
   */
  async function attempt(ctx: AppContext, id: string | null, body: Login): Promise<Created> {
    const ticket = await sessions.prepareLogin(id ?? nobody)
    let reason = id === null ? (own ? 'unknown address' : 'unknown name') : 'wrong password'
    const subject = await identity.verify(id, body.password, (why) => (reason = why))
    if (!subject) throw refused(ctx, id, reason)
    await endPresentedSession(sessions, ctx)
    const created = await sessions.create(ticket, {
      subject,
      remember: body.remember,
      device: deviceOf(ctx, body.label ?? null),
      endOthers: parts.endOthers,
    })
    return created.outcome === 'created' ? withOwnRoles(created, subject) : created
  }

  /**
   * Sessions go by the newest version of a user that they know. Mostly someone has just changed it; after a restore of
   * the accounts it may be one that is no more.
   */
  async function withOwnRoles(created: Session, subject: Subject): Promise<Created> {
    if (parts.effective === undefined || created.identity.user.version <= subject.version) return created
    await parts.effective.settle(subject.id)
    const identity = await sessions.authenticate(created.token)
    return identity === null ? { outcome: 'superseded' } : { ...created, identity }
  }

  function welcome(ctx: AppContext, created: Session, body: Login): void {
    const { token, identity } = created
    const { user, session } = identity
    parts.noticeSignIn(identity, localeOf(ctx))
    recordAuthEvent(ctx, 'login', { user: user.id, session: session.id, transport: body.transport })
    const answer = { user: presentUser(user), session: presentSession(session, session.id) }
    if (body.transport === 'token') {
      ctx.body = { ...answer, token }
      return
    }
    setSessionCookie(ctx, token, body.remember ? parts.rememberAbsoluteMs : null)
    ctx.body = answer
  }

  function refused(ctx: AppContext, id: string | null, reason: string) {
    recordAuthEvent(ctx, 'login-failed', { ...(id === null ? {} : { user: id }), reason })
    return problem('invalid-credentials', `the ${own ? 'e-mail address' : 'name'} or the password is wrong`)
  }

  return defineRoute({
    method: 'POST',
    path: '/api/v1/auth/login',
    access: 'anyone',
    identify: false,
    inMaintenance: 'open',
    limits: [undoPolicy],
    summary: 'Sign in; the session that the request carries, if any, is ended first',
    body: own ? byEmail : byName,
    replies: {
      200: {
        description: 'Signed in, by a cookie or with the token in the body',
        body: z.strictObject({
          user: parts.userSchema,
          session: sessionSchema,
          token: z.string().optional(),
        }),
      },
      401: { description: `Wrong ${own ? 'e-mail address' : 'name'} or password` },
    },
    handler: (ctx, { body }) => guardedLogin(ctx, body),
  })
}
