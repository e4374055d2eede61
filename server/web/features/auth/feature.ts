import { builtInRoles } from '../../../../shared/accounts/roles.ts'
import type { Feature } from '../../../../shared/app/feature.ts'
import { apiPolicy, serverPolicies } from '../../../../shared/limits/open-limits.ts'
import { auth as background } from '../../../jobs.ts'
import type { ServerFeature, ServerParts, ServerServices } from '../feature.ts'
import { loginRoute } from './login.ts'
import { meRoutes } from './me.ts'
import { verificationRoutes } from './email-verification.ts'
import { passwordResetPages } from './password-reset-pages.ts'
import { createPasswordReset, passwordResetRoutes } from './password-reset.ts'
import { registrationRoutes } from './registration.ts'
import { passwordRoute } from './password.ts'
import { sessionDataRoutes } from './session-data.ts'
import { sessionRoutes } from './sessions.ts'
import { sessionStreamRoute } from './session-stream.ts'
import { signInRoutes } from './sign-in.ts'

/**
 * The sessions of a user and what is kept in them; signing in, where a secret proves who one is. Also the roles and the
 * limits that routes name, since no application can leave this feature out.
 */
export const auth: ServerFeature = (parts) => {
  const own = { ...parts.services, sessions: parts.sessions }
  const { routes = [], pages = [] } = signIn(parts)
  const passwords = own.ownAccounts ? passwordFeature(own) : { routes: [], pages: [] }
  return {
    ...background,
    roles: builtInRoles,
    limits: [apiPolicy(own.config.limits), ...serverPolicies],
    routes: [
      ...meRoutes(own.userSchema),
      ...sessionRoutes(own),
      ...sessionDataRoutes(),
      ...routes,
      ...passwords.routes,
    ],
    // For pages: no answer to describe, but a stream that does not end.
    pages: [...pages, ...passwords.pages, sessionStreamRoute(own)],
  }
}

/** For accounts of ours: passwords, and the mails that prove whose an address is. Pages are told apart by `page`. */
function passwordFeature(own: ServerServices & Pick<ServerParts, 'sessions'>) {
  const reset = createPasswordReset(own)
  const mailed = [...verificationRoutes(own), ...(own.config.registration ? registrationRoutes(own) : [])]
  return {
    routes: [passwordRoute(own), ...passwordResetRoutes(reset), ...mailed.filter(({ page }) => !page)],
    pages: [...passwordResetPages(reset), ...mailed.filter(({ page }) => page)],
  }
}

function signIn({ services, sessions }: ServerParts): Pick<Feature, 'routes' | 'pages'> {
  const { identity } = services
  if (identity === null) return {}
  const { loginRevokes, rememberAbsoluteMs } = services.config.sessions
  const { effective, ownAccounts, ...rest } = services
  const own = { ...rest, ownAccounts, sessions, identity, ...(ownAccounts ? { effective } : {}) }
  const login = loginRoute({ ...own, endOthers: loginRevokes === 'others', rememberAbsoluteMs })
  return { routes: [login], pages: signInRoutes({ ...own, login }) }
}
