/** People who make an account for themselves, where the configuration lets them (`REGISTRATION=on`). */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { emailKey } from '../../../../shared/accounts/email-key.ts'
import type { Passwords } from '../../../../shared/accounts/accounts.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html } from '../../../../shared/app/html.ts'
import type { Problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { registrationPolicy, resetMailPolicy } from '../../../../shared/limits/open-limits.ts'
import type { RateLimiter } from '../../../../shared/limits/rate-limiter.ts'
import { email, line } from '../../routing/fields.ts'
import { field, form } from '../pages/form.ts'
import { localeOf, textsOf } from '../pages/locale.ts'
import { answerPage, linksOf, redirect } from '../pages/page.ts'
import { answerProblemAsPage } from '../pages/problem-page.ts'
import type { AccountMails } from './account-mails.ts'
import type { RecordAuthEvent } from './auth-events.ts'

export interface RegistrationParts {
  readonly passwords: Pick<Passwords, 'hash'>
  readonly accountMails: Pick<AccountMails, 'register'>
  readonly limits: { readonly limiter: Pick<RateLimiter, 'take'> }
  readonly recordAuthEvent: RecordAuthEvent
}

const path = '/register'
const body = z.strictObject({ email, name: line(100) })
type Person = z.output<typeof body>

/**
 * The answer is the same whether the address has an account or not, and takes the same time: what is to be done is found
 * out by a job. Limited by address of the network here, and by e-mail address, so that no mailbox is flooded.
 */
export function registrationRoutes(parts: RegistrationParts): Route[] {
  const { passwords, accountMails, limits, recordAuthEvent } = parts

  async function register(ctx: AppContext, { email, name }: Person): Promise<void> {
    // A password that no one knows, until the owner of the address sets another.
    const passwordHash = await passwords.hash(randomBytes(32).toString('base64url'))
    const { allowed } = await limits.limiter.take(resetMailPolicy, emailKey(email))
    if (allowed) await accountMails.register({ email, name, passwordHash }, localeOf(ctx))
    recordAuthEvent(ctx, 'registration-requested', {})
  }

  function show(ctx: AppContext, facts: { sent?: boolean; fault?: string; status?: number } = {}): void {
    const { registration, signIn } = textsOf(ctx)
    const { sent, fault, status } = facts
    const main = sent
      ? html`<p role="status">${registration.sent}</p>`
      : html`${fault === undefined ? null : html`<p role="alert">${fault}</p>`}
          <p>${registration.explained}</p>
          ${form(ctx, {
            action: path,
            button: registration.button,
            fields: [
              field({
                name: 'name',
                label: registration.name,
                required: true,
                maxLength: 100,
                autocomplete: 'name',
              }),
              field({
                name: 'email',
                label: signIn.email,
                type: 'email',
                required: true,
                maxLength: 254,
                autocomplete: 'username',
              }),
            ],
          })}
          <p><a href="${linksOf(ctx)('/sign-in')}">${registration.signIn}</a></p>`
    answerPage(ctx, { title: registration.title, main, width: 'narrow' }, status)
  }

  function answerRefusal(ctx: AppContext, refused: Problem): void {
    if (refused.type !== 'invalid-fields') return answerProblemAsPage(ctx, refused)
    show(ctx, { fault: textsOf(ctx).registration.missing, status: refused.status })
  }

  const common = { access: 'anyone', identify: false, limits: [registrationPolicy] } as const
  return [
    defineRoute({
      ...common,
      method: 'POST',
      path: '/api/v1/auth/register',
      summary: 'Make an account for oneself; a mail has the link to set its password',
      body,
      replies: {
        202: {
          description: 'Always, whether the address has an account or not',
          body: z.strictObject({ message: z.string() }),
        },
      },
      async handler(ctx, { body }) {
        await register(ctx, body)
        ctx.status = 202
        ctx.body = { message: 'a mail is on its way to this address' }
      },
    }),
    defineRoute({
      method: 'GET',
      path,
      access: 'anyone',
      identify: false,
      page: true,
      summary: 'The form to make an account for oneself',
      query: z.strictObject({ sent: z.literal('1').optional() }),
      replies: { 200: { description: 'The page' } },
      handler: (ctx, { query }) => show(ctx, { sent: query.sent === '1' }),
    }),
    defineRoute({
      ...common,
      method: 'POST',
      path,
      form: true,
      page: true,
      summary: 'Make an account for oneself with the form',
      body,
      replies: { 303: { description: 'A mail is on its way' } },
      presentProblem: answerRefusal,
      async handler(ctx, { body }) {
        await register(ctx, body)
        redirect(ctx, `${path}?sent=1`)
      },
    }),
  ]
}
