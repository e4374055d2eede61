import { hasRole } from '../../../../shared/accounts/roles.ts'
import type { Access } from '../../../../shared/app/route.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import { textsIn, type Locale } from '../../../../shared/locales/locales.ts'
import { sessionStreamPath } from '../auth/session-stream.ts'
import { relativeTo } from './local-path.ts'
import { signInPath } from './sign-in-path.ts'

export const sessionScriptPath = '/assets/session.js'

/** The script that says at once when the reader is signed out, or loses the roles that the page is for. */
export function sessionScript(facts: {
  /** What links of the document begin at. */
  readonly from: string
  /** The page, to come back to. */
  readonly url: string
  readonly locale: Locale
  readonly roles: readonly string[]
  readonly access: Access
  readonly hasSignIn: boolean
}): Html {
  const { from, url, locale, roles, access, hasSignIn } = facts
  const { common } = textsIn(locale)
  // A page that says why it is not shown is no page of those roles.
  const needed = typeof access === 'object' && hasRole({ roles }, access.roles) ? access.roles : []
  const query = needed.length === 0 ? '' : `?roles=${needed.map(encodeURIComponent).join(',')}`
  return html`<script
    src="${relativeTo(from, sessionScriptPath)}"
    defer
    data-stream="${relativeTo(from, `${sessionStreamPath}${query}`)}"
    data-ended="${common.sessionEnded}"
    data-lost="${common.accessLost}"
    data-sign-in="${hasSignIn ? relativeTo(from, signInPath(url)) : ''}"
    data-sign-in-text="${common.signIn}"
  ></script>`
}
