import type { AppContext } from '../../../../../shared/app/context.ts'
import { html, type Html } from '../../../../../shared/app/html.ts'
import { field, form, hiddenFields } from '../../pages/form.ts'
import { textsOf } from '../../pages/locale.ts'
import { assetPaths, linksOf, type Page } from '../../pages/page.ts'

export interface SetPasswordFacts {
  /** What was done before. */
  readonly state?: 'sent' | 'done' | undefined
  /** Why it did not work. */
  readonly fault?: string | undefined
  /** As the form gave it, so that it need not be given again. */
  readonly token?: string | undefined
}

/**
 * Where the links in mails lead. The token is in the fragment, which browsers keep to themselves: a script takes it from
 * there, and without scripts one copies it. Without a token the page offers to send a mail.
 */
export function resetPage(ctx: AppContext, facts: SetPasswordFacts): Page {
  const { reset } = textsOf(ctx).signIn
  const asking = facts.state === undefined && facts.token === undefined
  return pageOf(ctx, reset.title, facts, [
    asking ? requestForm(ctx) : null,
    facts.state === undefined ? passwordForm(ctx, '/reset', facts) : null,
  ])
}

/** The same for someone who was invited, and has no password yet. */
export function invitationPage(ctx: AppContext, facts: SetPasswordFacts): Page {
  const { invitation } = textsOf(ctx).signIn
  const welcome = html`<p>${invitation.explained}</p>`
  const parts = facts.state === undefined ? [welcome, passwordForm(ctx, '/invitation', facts)] : []
  return pageOf(ctx, invitation.title, facts, parts)
}

function pageOf(
  ctx: AppContext,
  title: string,
  { state, fault }: SetPasswordFacts,
  parts: readonly (Html | null)[],
): Page {
  const { reset, button } = textsOf(ctx).signIn
  const main = html`${fault === undefined ? null : html`<p role="alert">${fault}</p>`}
    ${state === undefined ? null : html`<p role="status">${reset[state]}</p>`}
    ${parts.map((part) => html`${part}`)}
    <p><a href="${linksOf(ctx)('/sign-in')}">${button}</a></p>`
  return { title, main, width: 'narrow', scripts: [assetPaths.token] }
}

function requestForm(ctx: AppContext): Html {
  const { reset } = textsOf(ctx).signIn
  const email = field({
    name: 'email',
    label: reset.emailOfAccount,
    type: 'email',
    required: true,
    maxLength: 254,
    autocomplete: 'username',
  })
  return html`<div data-without-token>
    ${form(ctx, { action: '/reset/request', button: reset.send, fields: [email] })}
  </div>`
}

function passwordForm(ctx: AppContext, action: string, { token }: SetPasswordFacts): Html {
  const { reset } = textsOf(ctx).signIn
  const code = html`<div data-token>
    ${field({ name: 'token', label: reset.code, required: true, maxLength: 256, autocomplete: 'off' })}
  </div>`
  const password = field({
    name: 'newPassword',
    label: reset.newPassword,
    type: 'password',
    required: true,
    maxLength: 1_024,
    autocomplete: 'new-password',
    hint: reset.rules,
  })
  const given = token === undefined ? [code] : hiddenFields({ token })
  return html`<div data-with-token>
    ${form(ctx, { action, button: reset.button, fields: [...given, password] })}
  </div>`
}
