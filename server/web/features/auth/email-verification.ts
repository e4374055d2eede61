/** Proving that an e-mail address is one's own, by a link that went to it. */
import { z } from 'zod'
import type { Profile } from '../../../../shared/accounts/account-subject.ts'
import type { AccountStore } from '../../../../shared/accounts/accounts.ts'
import type { EffectiveAccounts } from '../../../../shared/accounts/effective-account.ts'
import { emailKey } from '../../../../shared/accounts/email-key.ts'
import { hashMailToken } from '../../../../shared/accounts/mail-tokens.ts'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import { html } from '../../../../shared/app/html.ts'
import { problem, revocationUnconfirmed, type Problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'
import { resetMailPolicy } from '../../../../shared/limits/open-limits.ts'
import type { RateLimiter } from '../../../../shared/limits/rate-limiter.ts'
import { field, form } from '../pages/form.ts'
import { localeOf, textsOf } from '../pages/locale.ts'
import { answerPage, assetPaths, redirect } from '../pages/page.ts'
import { answerProblemAsPage } from '../pages/problem-page.ts'
import type { AccountMails } from './account-mails.ts'
import type { RecordAuthEvent } from './auth-events.ts'

export interface VerificationParts {
  readonly accounts: Pick<AccountStore, 'verifyEmail'>
  readonly effective: Pick<EffectiveAccounts, 'apply'>
  readonly accountMails: Pick<AccountMails, 'verify'>
  readonly limits: { readonly limiter: Pick<RateLimiter, 'take'> }
  readonly recordAuthEvent: RecordAuthEvent
}

const path = '/verify-email'
const token = z.string().trim().min(1).max(256)

/** Sends the mail to who is signed in, within the limit for mails to one address; beyond it no one is told. */
export function createVerificationRequest(parts: VerificationParts): (ctx: AppContext) => Promise<void> {
  const { accountMails, limits, recordAuthEvent } = parts
  return async function requestVerification(ctx) {
    const { user } = requireIdentity(ctx).identity
    const { email, emailVerified } = user.profile as Profile
    if (emailVerified) throw problem('conflict', 'the address is confirmed already')
    const { allowed } = await limits.limiter.take(resetMailPolicy, emailKey(email))
    if (allowed) await accountMails.verify(user, localeOf(ctx))
    recordAuthEvent(ctx, 'verification-requested', { user: user.id })
  }
}

export function verificationRoutes(parts: VerificationParts): Route[] {
  const { accounts, effective, recordAuthEvent } = parts
  const requestVerification = createVerificationRequest(parts)

  /** The token is used up first: were the sessions told first, they would know what is not so. */
  async function confirm(ctx: AppContext, given: string): Promise<void> {
    const account = await accounts.verifyEmail(hashMailToken(given), Date.now())
    if (account === null)
      throw problem('invalid-token', 'the link is unknown, was used or is too old: ask for a new mail')
    recordAuthEvent(ctx, 'email-verified', { user: account.id })
    const applied = await effective.apply(account)
    if (applied.outcome === 'unconfirmed') {
      throw revocationUnconfirmed(
        'the address is confirmed, and sessions show it a little later',
        applied.cause,
      )
    }
  }

  function show(
    ctx: AppContext,
    { done, fault, status }: { done?: boolean; fault?: string; status?: number },
  ) {
    const { verification } = textsOf(ctx)
    const button = form(ctx, {
      action: path,
      button: verification.button,
      fields: [
        html`<div data-token>
          ${field({ name: 'token', label: verification.code, required: true, maxLength: 256, autocomplete: 'off' })}
        </div>`,
      ],
    })
    const main = done
      ? html`<p role="status">${verification.done}</p>`
      : html`${fault === undefined ? null : html`<p role="alert">${fault}</p>`}
          <p>${verification.explained}</p>
          ${button}`
    const page = { title: verification.title, main, width: 'narrow', scripts: [assetPaths.token] } as const
    answerPage(ctx, page, status)
  }

  function answerRefusal(ctx: AppContext, refused: Problem): void {
    if (refused.type !== 'invalid-token' && refused.type !== 'invalid-fields') {
      return answerProblemAsPage(ctx, refused)
    }
    show(ctx, { fault: textsOf(ctx).verification.ended, status: refused.status })
  }

  return [
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/email-verification/request',
      access: 'signed-in',
      summary: 'Ask for a mail with a link that confirms the e-mail address',
      replies: { 202: { description: 'A mail is on its way, within the limit' } },
      async handler(ctx) {
        await requestVerification(ctx)
        ctx.status = 202
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/email-verification/confirm',
      access: 'anyone',
      identify: false,
      summary: 'Confirm an e-mail address with the token of the mail',
      body: z.strictObject({ token }),
      replies: { 204: { description: 'Confirmed' } },
      async handler(ctx, { body }) {
        await confirm(ctx, body.token)
        ctx.status = 204
      },
    }),
    defineRoute({
      method: 'GET',
      path,
      access: 'anyone',
      identify: false,
      page: true,
      summary: 'Where mails lead that confirm an e-mail address',
      query: z.strictObject({ done: z.literal('1').optional() }),
      replies: { 200: { description: 'The page' } },
      handler: (ctx, { query }) => show(ctx, { done: query.done === '1' }),
    }),
    defineRoute({
      method: 'POST',
      path,
      access: 'anyone',
      identify: false,
      form: true,
      page: true,
      summary: 'Confirm an e-mail address with the form',
      body: z.strictObject({ token }),
      replies: { 303: { description: 'Confirmed' } },
      presentProblem: answerRefusal,
      async handler(ctx, { body }) {
        await confirm(ctx, body.token)
        redirect(ctx, `${path}?done=1`)
      },
    }),
  ]
}
