import { randomBytes } from 'node:crypto'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { createPasswords } from '../../shared/accounts/passwords.ts'
import type { App } from '../../shared/app/app.ts'
import type { Config } from '../../shared/config/config.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import type { Sessions } from '../../shared/sessions/index.ts'
import { send } from './send.ts'

/** A signed-in user. */
export interface TestUser {
  readonly id: string
  readonly token: string
  /** Only where the accounts are ours. */
  readonly email: string
  readonly password: string
}

export interface SignInOptions {
  readonly roles?: readonly string[]
  readonly email?: string
  /** Where the accounts are ours; a random one when left out. */
  readonly password?: string
  readonly profile?: Readonly<Record<string, unknown>>
}

export interface SignInParts {
  readonly app: Pick<App, 'accounts'>
  readonly config: Pick<Config, 'database'>
  readonly url: string
  readonly sessions: Sessions
}

/**
 * Signs a new user in: through our accounts and the login route where the application uses them; where it signs people
 * in by itself, by making a session as it would.
 */
export async function signInNewUser(parts: SignInParts, options: SignInOptions): Promise<TestUser> {
  const {
    roles = ['user'],
    profile = {},
    email = `user-${randomBytes(4).toString('hex')}@example.com`,
    password = randomBytes(18).toString('base64url'),
  } = options
  if (parts.app.accounts !== undefined) {
    const id = email
    const ticket = await parts.sessions.prepareLogin(id)
    const created = await parts.sessions.create(ticket, { subject: { id, roles, version: 1, profile } })
    if (created.outcome !== 'created') throw new Error(`the sign-in failed: ${created.outcome}`)
    return { id, token: created.token, email, password }
  }
  const id = await register(parts.config.database, { email, password, roles })
  const json = { email, password, transport: 'token' }
  const answer = await send(parts.url, 'POST', '/api/v1/auth/login', { json })
  if (answer.status !== 200) throw new Error(`the login answered ${answer.status}: ${answer.text}`)
  return { id, token: answer.json().token as string, email, password }
}

async function register(
  database: Config['database'],
  { email, password, roles }: { email: string; password: string; roles: readonly string[] },
): Promise<string> {
  const accounts = openAccounts(database)
  try {
    await accounts.start()
    const passwordHash = await createPasswords().hash(password)
    const created = await accounts.create({
      email,
      name: email.split('@', 1)[0] ?? email,
      roles,
      passwordHash,
    })
    if (created === 'email-taken') throw new Error(`${email} has an account already`)
    return created.id
  } finally {
    await accounts.stop(deadlineIn(5_000))
  }
}
