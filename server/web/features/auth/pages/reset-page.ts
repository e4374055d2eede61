import { html } from '../../../../../shared/app/html.ts'
import { relativeTo } from '../../pages/local-path.ts'
import { assetPaths, type Page } from '../../pages/page.ts'

/**
 * Where the links in mails lead. The token is in the fragment, which only a script can read, so this page needs one;
 * without a token it offers to send a mail.
 */
export function resetPage(path: string): Page {
  const api = (name: string) => relativeTo(path, `/api/v1/auth/password-reset/${name}`)
  const main = html`<noscript><p role="alert">Setting a password by mail needs JavaScript.</p></noscript>
    <p role="status" id="done" hidden></p>
    <p role="alert" id="fault" hidden></p>
    <form id="request" data-api="${api('request')}" hidden>
      <label for="email">E-mail address of your account</label>
      <input id="email" name="email" type="email" autocomplete="username" required maxlength="254" />
      <button>Send me a link</button>
    </form>
    <form id="confirm" data-api="${api('confirm')}" hidden>
      <label for="new-password">New password</label>
      <input
        id="new-password"
        name="newPassword"
        type="password"
        autocomplete="new-password"
        required
        maxlength="1024"
        aria-describedby="rules"
      />
      <p class="fine-print" id="rules">
        At least 8 characters; a few words that only you would put together. All your sessions end.
      </p>
      <button>Set the password</button>
    </form>
    <p><a href="${relativeTo(path, '/sign-in')}">Sign in</a></p>`
  return { title: 'Set a password', main, script: assetPaths.reset }
}
