import { hasRole, viewers } from '../../../../../shared/accounts/roles.ts'
import type { Identity } from '../../../../../shared/sessions/sessions.ts'
import type { Profile } from '../../../../../shared/accounts/account-subject.ts'
import { html, type Html } from '../../../../../shared/app/html.ts'
import { relativeTo } from '../../pages/local-path.ts'
import type { Page } from '../../pages/page.ts'
import { signInPath } from '../../pages/problem-page.ts'

export interface SignInFacts {
  readonly path: string
  /** Where to go on, a local path. */
  readonly next: string | null
  /** What was typed before. */
  readonly email?: string
  /** Why it did not work. */
  readonly fault?: string
  /** What went well before. */
  readonly notice?: string
}

export function signInPage({ path, next, email = '', fault, notice }: SignInFacts): Page {
  const marked = fault === undefined ? null : html`aria-invalid="true" aria-describedby="fault"`
  const main = html`${fault === undefined ? null : html`<p role="alert" id="fault">${fault}</p>`}
    ${notice === undefined ? null : html`<p role="status">${notice}</p>`}
    <form method="post" action="${relativeTo(path, signInPath(next))}">
      <label for="email">E-mail address</label>
      <input
        id="email"
        name="email"
        type="email"
        autocomplete="username"
        value="${email}"
        required
        maxlength="254"
        ${marked}
        ${autofocus(email === '')}
      />
      <label for="password">Password</label>
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
      <label class="choice"><input name="remember" type="checkbox" /> Stay signed in on this device</label>
      <button>Sign in</button>
    </form>
    <p><a href="${relativeTo(path, '/reset')}">Forgot your password?</a></p>`
  return { title: 'Sign in', main }
}

/** For who is signed in already: who that is, where to go, and the way out. */
export function signedInPage({ user }: Identity, { path, next }: Pick<SignInFacts, 'path' | 'next'>): Page {
  const { name, email } = user.profile as Profile
  const link = (target: string, text: string) =>
    html`<li><a href="${relativeTo(path, target)}">${text}</a></li>`
  const mayReadQueues = hasRole(user, viewers)
  const main = html`<p>You are signed in as <strong>${name}</strong> (${email}).</p>
    <ul>
      ${next === null ? null : link(next, 'Go on to where you came from')}
      ${mayReadQueues ? link('/admin/queues', 'Queues and jobs') : null} ${link('/openapi.json', 'The API')}
    </ul>
    <form method="post" action="${relativeTo(path, '/sign-out')}">
      <button>Sign out</button>
    </form>`
  return { title: 'Your account', main }
}

function autofocus(here: boolean): Html | null {
  return here ? html`autofocus` : null
}
