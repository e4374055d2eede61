import type { AppContext } from '../../../../../shared/app/context.ts'
import { html } from '../../../../../shared/app/html.ts'
import { textsOf } from '../../pages/locale.ts'
import { assetPaths, linksOf, type Page } from '../../pages/page.ts'

/**
 * Where the links in mails lead. The token is in the fragment, which only a script can read, so this page needs one;
 * without a token it offers to send a mail.
 */
export function resetPage(ctx: AppContext): Page {
  const link = linksOf(ctx)
  const { signIn } = textsOf(ctx)
  const { reset } = signIn
  const api = (name: string) => link(`/api/v1/auth/password-reset/${name}`)
  const main = html`<noscript><p role="alert">${reset.needsScript}</p></noscript>
    <p role="status" id="done" data-done="${reset.done}" hidden></p>
    <p role="alert" id="fault" data-unreachable="${reset.unreachable}" hidden></p>
    <form id="request" data-api="${api('request')}" hidden>
      <label for="email">${reset.emailOfAccount}</label>
      <input id="email" name="email" type="email" autocomplete="username" required maxlength="254" />
      <button>${reset.send}</button>
    </form>
    <form id="confirm" data-api="${api('confirm')}" hidden>
      <label for="new-password">${reset.newPassword}</label>
      <input
        id="new-password"
        name="newPassword"
        type="password"
        autocomplete="new-password"
        required
        maxlength="1024"
        aria-describedby="rules"
      />
      <p class="fine-print" id="rules">${reset.rules}</p>
      <button>${reset.button}</button>
    </form>
    <p><a href="${link('/sign-in')}">${signIn.button}</a></p>`
  return { title: reset.title, main, scripts: [assetPaths.reset], width: 'narrow' }
}
