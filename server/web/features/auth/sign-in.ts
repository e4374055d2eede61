/** Signing in and out with a browser, and without scripts. Other ways into what the API does, under its rules. */
import { z } from 'zod'
import type { Sessions } from '../../../../shared/sessions/index.ts'
import type { RecordAuthEvent } from './auth-events.ts'
import type { Parts } from '../../../../shared/app/parts.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { localPath } from '../pages/local-path.ts'
import { whoIsIt } from '../pages/who-is-it.ts'
import { textsOf } from '../pages/locale.ts'
import { answerPage, redirect } from '../pages/page.ts'
import { answerProblemAsPage } from '../pages/problem-page.ts'
import { goodbyeFields, goodbyePath, goodbyeText } from './goodbye.ts'
import { signedInPage, signInPage, type SignInFacts } from './pages/sign-in-page.ts'
import { Problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { accountName, email, givenPassword } from '../../routing/fields.ts'
import { undoPolicy } from '../../../../shared/limits/open-limits.ts'
import { createLogout } from './sessions.ts'

export interface SignInParts {
  readonly sessions: Pick<Sessions, 'authenticate' | 'revoke'>
  /** `POST /api/v1/auth/login`, with its limits and its rotation. */
  readonly login: Route
  /** Whether users are in our own accounts, with e-mail addresses and links that set a password. */
  readonly ownAccounts: boolean
  readonly recordAuthEvent: RecordAuthEvent
}

const query = z.strictObject({
  next: z.string().optional().describe('where to go on, a path of this site; anything else is not followed'),
  ...goodbyeFields,
})
type Query = z.output<typeof query>

const rest = { password: givenPassword, remember: z.literal('on').optional() }
const byEmail = z.strictObject({ email, ...rest })
/** For an application's own accounts: their names need not be addresses. */
const byName = z.strictObject({ email: accountName, ...rest })
type Form = z.output<typeof byEmail>

const page = { 200: { description: 'The page' } }

export function signInRoutes(parts: SignInParts): Route[] {
  const { sessions, login, ownAccounts } = parts
  const logout = createLogout(parts)
  const answerRefusal = refusals(ownAccounts)

  async function show(ctx: AppContext, { next, ...goodbye }: Query): Promise<void> {
    const facts = { next: localPath(next), ownAccounts }
    const identity = await whoIsIt(sessions, ctx)
    if (identity) return answerPage(ctx, signedInPage(ctx, identity, facts))
    answerPage(ctx, signInPage(ctx, { ...facts, ...goodbyeText(ctx, goodbye) }))
  }

  async function signIn(ctx: AppContext, fields: Form, { next }: Query, own: Parts): Promise<void> {
    const { email, password, remember } = fields
    const body = { email, password, remember: remember === 'on', transport: 'cookie' }
    try {
      await login.handler(ctx, { body, params: undefined, query: undefined }, own)
    } catch (fault) {
      if (!(fault instanceof Problem) || fault.status >= 500) throw fault
      return answerRefusal(ctx, fault, email)
    }
    redirect(ctx, localPath(next) ?? '/account')
  }

  return [
    defineRoute({
      method: 'GET',
      path: '/sign-in',
      access: 'anyone',
      identify: false,
      inMaintenance: 'open',
      limits: [undoPolicy],
      summary: 'The form to sign in; for who has done so, the way out',
      query,
      replies: page,
      presentProblem: answerProblemAsPage,
      handler: (ctx, { query }) => show(ctx, query),
    }),
    defineRoute({
      method: 'POST',
      path: '/sign-in',
      access: 'anyone',
      identify: false,
      inMaintenance: 'open',
      limits: [undoPolicy],
      summary: 'Sign in with the form; goes on to `next`',
      form: true,
      query,
      body: ownAccounts ? byEmail : byName,
      replies: { 303: { description: 'Signed in' }, 401: { description: 'The page again, with the reason' } },
      presentProblem: answerRefusal,
      handler: (ctx, { body, query }, own) => signIn(ctx, body, query, own),
    }),
    defineRoute({
      method: 'POST',
      path: '/sign-out',
      access: 'anyone',
      identify: false,
      inMaintenance: 'open',
      summary: 'Sign out with a form; the session has ended everywhere when this is answered',
      form: true,
      replies: { 303: { description: 'Signed out' } },
      presentProblem: answerProblemAsPage,
      async handler(ctx) {
        redirect(ctx, goodbyePath('here', await logout(ctx)))
      },
    }),
  ]
}

/** The form again, with the reason. Everything but the password stays as it was. */
function refusals(ownAccounts: boolean) {
  return function answerRefusal(ctx: AppContext, problem: Problem, email?: string): void {
    const { 'WWW-Authenticate': _forPrograms, ...headers } = problem.headers
    ctx.set(headers)
    const facts: SignInFacts = {
      next: localPath(new URLSearchParams(ctx.querystring).get('next') ?? undefined),
      fault: faultOf(ctx, problem, ownAccounts),
      ownAccounts,
    }
    answerPage(ctx, signInPage(ctx, email === undefined ? facts : { ...facts, email }), problem.status)
  }
}

function faultOf(ctx: AppContext, problem: Problem, ownAccounts: boolean): string {
  const { problems, signIn } = textsOf(ctx)
  if (problem.type === 'invalid-fields') return ownAccounts ? signIn.missing : signIn.nameMissing
  if (problem.type === 'csrf') return signIn.foreign
  return problems.told(problem).text
}
