import type { Identity } from '../../../../../shared/sessions/index.ts'
import type { Profile } from '../../../../../shared/accounts/account-subject.ts'
import type { AppContext } from '../../../../../shared/app/context.ts'
import { html, type Html } from '../../../../../shared/app/html.ts'
import { textsOf } from '../../pages/locale.ts'
import { linksOf, type Page } from '../../pages/page.ts'
import { signInPath } from '../../pages/problem-page.ts'

export interface SignInFacts {
  /** Where to go on, a local path. */
  readonly next: string | null
  /** Whether users are in our own accounts, with e-mail addresses and links that set a password. */
  readonly ownAccounts: boolean
  /** What was typed before. */
  readonly email?: string
  /** Why it did not work. */
  readonly fault?: string
  /** What went well before. */
  readonly notice?: string
}

export function signInPage(
  ctx: AppContext,
  { next, ownAccounts, email = '', fault, notice }: SignInFacts,
): Page {
  const link = linksOf(ctx)
  const { signIn } = textsOf(ctx)
  const marked = fault === undefined ? null : html`aria-invalid="true" aria-describedby="fault"`
  const main = html`${fault === undefined ? null : html`<p role="alert" id="fault">${fault}</p>`}
    ${notice === undefined ? null : html`<p role="status">${notice}</p>`}
    <form method="post" action="${link(signInPath(next))}">
      <label for="email">${ownAccounts ? signIn.email : signIn.name}</label>
      <input
        id="email"
        name="email"
        type="${ownAccounts ? 'email' : 'text'}"
        autocomplete="username"
        value="${email}"
        required
        maxlength="254"
        ${marked}
        ${autofocus(email === '')}
      />
      <label for="password">${signIn.password}</label>
      <input
        id="password"
        name="password"
        type="password"
        autocomplete="current-password"
        required
        maxlength="1024"
        ${marked}
        ${autofocus(email !== '')}
      />
      <label class="choice"><input name="remember" type="checkbox" /> ${signIn.remember}</label>
      <button>${signIn.button}</button>
    </form>
    ${ownAccounts ? html`<p><a href="${link('/reset')}">${signIn.forgotten}</a></p>` : null}
    ${ctx.site.mayRegister ? html`<p><a href="${link('/register')}">${signIn.register}</a></p>` : null}`
  return { title: signIn.title, main, width: 'narrow', viewer: null }
}

/** For who is signed in already: who that is, where to go, and the way out. */
export function signedInPage(ctx: AppContext, { user }: Identity, { next }: Pick<SignInFacts, 'next'>): Page {
  const link = linksOf(ctx)
  const { common, signIn } = textsOf(ctx)
  const item = (target: string, text: string) => html`<li><a href="${link(target)}">${text}</a></li>`
  const main = html`${signedInAs(ctx, user)}
    <ul>
      ${next === null ? null : item(next, signIn.goOn)} ${item('/account', common.account)}
      ${item('/', common.start)}
    </ul>
    <form method="post" action="${link('/sign-out')}">
      <button>${common.signOut}</button>
    </form>`
  return { title: common.account, main, width: 'narrow', viewer: user }
}

/** Who it is that is signed in, as far as the profile says. */
export function signedInAs(ctx: AppContext, { id, profile }: Pick<Identity['user'], 'id' | 'profile'>): Html {
  const { name, email } = profile as Partial<Profile>
  return html`<p>
    ${textsOf(ctx).signIn.signedInAs} <strong><bdi>${name ?? id}</bdi></strong
    >${email ? html` (${email})` : null}.
  </p>`
}

function autofocus(here: boolean): Html | null {
  return here ? html`autofocus` : null
}
