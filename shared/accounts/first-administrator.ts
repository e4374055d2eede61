import { ConfigurationError } from '../kernel/errors.ts'
import type { AccountStore, Passwords } from './accounts.ts'
import { generatePassword } from './generate-password.ts'
import { passwordProblem } from './password-rules.ts'
import { firstAdministratorRoles } from './roles.ts'

/** As configured by ADMIN_EMAIL and ADMIN_PASSWORD; null where nothing was. */
export interface FirstAdministrator {
  readonly email: string | null
  readonly password: string | null
}

const defaultEmail = 'admin@localhost'
const name = 'Administrator'

/** Why no one may have this password, or null. */
export function firstAdministratorProblem({ email, password }: FirstAdministrator): string | null {
  const problem = password === null ? null : passwordProblem(password, { email: email ?? defaultEmail, name })
  return problem === null ? null : `ADMIN_PASSWORD ${problem}. Unset it to have one generated.`
}

/**
 * Creates the first administrator while there is no account at all; null when there is one. A generated password
 * is in the result and nowhere else. Throws a `ConfigurationError` when the chosen one is too weak.
 */
export async function ensureFirstAdministrator(
  accounts: Pick<AccountStore, 'count' | 'create'>,
  passwords: Pick<Passwords, 'hash'>,
  { email, password }: FirstAdministrator,
): Promise<{ email: string; generatedPassword: string | null } | null> {
  if ((await accounts.count()) > 0) return null
  const problem = firstAdministratorProblem({ email, password })
  if (problem !== null) throw new ConfigurationError([problem])
  const address = email ?? defaultEmail
  const chosen = password ?? generatePassword()
  const created = await accounts.create({
    email: address,
    name,
    roles: firstAdministratorRoles,
    passwordHash: await passwords.hash(chosen),
  })
  // Another host that starts at the same time was faster: its password is the one that counts.
  if (created === 'email-taken') return null
  return { email: address, generatedPassword: password === null ? chosen : null }
}
