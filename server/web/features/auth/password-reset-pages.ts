/** Setting a password with the link of a mail in a browser: another way into what the API does, under its rules. */
import { z } from 'zod'
import type { AppContext } from '../../../../shared/app/context.ts'
import { Problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { email, newPassword } from '../../routing/fields.ts'
import { textsOf } from '../pages/locale.ts'
import { answerPage, redirect, type Page } from '../pages/page.ts'
import { answerProblemAsPage } from '../pages/problem-page.ts'
import { invitationPage, resetPage, type SetPasswordFacts } from './pages/set-password-page.ts'
import type { PasswordReset } from './password-reset.ts'

const query = z.strictObject({ state: z.enum(['sent', 'done']).optional() })
const form = z.strictObject({ token: z.string().trim().min(1).max(256), newPassword })

type Render = (ctx: AppContext, facts: SetPasswordFacts) => Page

export function passwordResetPages({ request, confirm }: PasswordReset): Route[] {
  return [
    ...setPassword('/reset', 'a new password', resetPage, confirm),
    ...setPassword('/invitation', 'the first password of somebody who was invited', invitationPage, confirm),
    defineRoute({
      method: 'POST',
      path: '/reset/request',
      access: 'anyone',
      identify: false,
      form: true,
      page: true,
      summary: 'Ask for a mail with a link to set a new password, with the form',
      body: z.strictObject({ email }),
      replies: { 303: { description: 'Always, whether there is such an account or not' } },
      async handler(ctx, { body }) {
        await request(ctx, body.email)
        redirect(ctx, '/reset?state=sent')
      },
    }),
  ]
}

function setPassword(path: string, what: string, render: Render, confirm: PasswordReset['confirm']): Route[] {
  /** The form again, with the reason. */
  const refuse = (ctx: AppContext, problem: Problem, token?: string) => {
    const fault = faultOf(ctx, problem)
    if (fault === null) return answerProblemAsPage(ctx, problem)
    // A token that has ended is of no use, and another one may be asked for.
    const again = problem.type === 'invalid-token' ? undefined : token
    answerPage(ctx, render(ctx, { fault, token: again }), problem.status)
  }
  return [
    defineRoute({
      method: 'GET',
      path,
      access: 'anyone',
      identify: false,
      page: true,
      summary: `The page to set ${what}`,
      query,
      replies: { 200: { description: 'The page' } },
      handler: (ctx, { query }) => answerPage(ctx, render(ctx, { state: query.state })),
    }),
    defineRoute({
      method: 'POST',
      path,
      access: 'anyone',
      identify: false,
      form: true,
      page: true,
      summary: `Set ${what} with the form; all sessions of the user end`,
      body: form,
      replies: { 303: { description: 'Set' } },
      presentProblem: refuse,
      async handler(ctx, { body }) {
        try {
          await confirm(ctx, body.token, body.newPassword)
        } catch (fault) {
          if (!(fault instanceof Problem)) throw fault
          return refuse(ctx, fault, body.token)
        }
        redirect(ctx, `${path}?state=done`)
      },
    }),
  ]
}

/** What the person can do about it; null for what they can't. */
function faultOf(ctx: AppContext, { type, members }: Problem): string | null {
  const { reset } = textsOf(ctx).signIn
  if (type === 'invalid-token') return reset.ended
  if (type === 'revocation-unconfirmed') return textsOf(ctx).account.unconfirmed
  if (type !== 'invalid-fields') return null
  const errors = (members['errors'] ?? []) as readonly { field: string; message: string }[]
  const why = errors.find(({ field }) => field === 'newPassword')?.message
  return why === undefined ? reset.missing : reset.refused(why)
}
