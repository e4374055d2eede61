/** What administrators do with accounts, whether a program or a page asks. What is refused is thrown as a `Problem`. */
import { randomBytes } from 'node:crypto'
import type { Account, AccountStore, ListedAccount, Passwords } from '../../../../shared/accounts/accounts.ts'
import type { EffectiveAccounts } from '../../../../shared/accounts/effective-account.ts'
import type { Role } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem, revocationUnconfirmed } from '../../../../shared/app/problem.ts'
import type { SessionInfo, Sessions } from '../../../../shared/sessions/index.ts'
import { localeOf } from '../pages/locale.ts'
import type { AccountMails } from '../auth/account-mails.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import type { RequestPasswordReset } from '../auth/password-reset.ts'
import { requireAcceptable, type PasswordProblem } from '../auth/password.ts'

export interface UserOperationParts {
  readonly sessions: Pick<Sessions, 'list' | 'revokeById' | 'revokeUser'>
  readonly accounts: Pick<
    AccountStore,
    'list' | 'findListed' | 'create' | 'updateKeepingAdministrator' | 'has' | 'count'
  >
  readonly effective: Pick<EffectiveAccounts, 'apply'>
  readonly passwords: Pick<Passwords, 'hash'>
  readonly passwordProblem: PasswordProblem
  readonly requestPasswordReset: RequestPasswordReset
  readonly accountMails: Pick<AccountMails, 'invite'>
  readonly recordAuthEvent: RecordAuthEvent
}

export interface NewUser {
  readonly email: string
  readonly name: string
  readonly roles: readonly Role[]
  /** Left out: the user gets a mail with a link to set one. */
  readonly password?: string | undefined
}

export interface UserChanges {
  readonly name?: string | undefined
  readonly roles?: readonly Role[] | undefined
  readonly disabled?: boolean | undefined
  readonly tier?: string | undefined
}

export interface UserPage {
  readonly after?: string | undefined
  readonly limit: number
  readonly search?: string | undefined
}

export type UserOperations = ReturnType<typeof createUserOperations>

export function createUserOperations(parts: UserOperationParts) {
  const { sessions, accounts, effective, passwords, requestPasswordReset, accountMails, recordAuthEvent } =
    parts

  async function list({ after, limit, search }: UserPage) {
    const found = await accounts.list({
      limit,
      ...(after === undefined ? {} : { after }),
      ...(search === undefined ? {} : { search }),
    })
    const next = found.length === limit ? (found.at(-1)?.email ?? null) : null
    return { users: found, next }
  }

  async function find(userId: string): Promise<ListedAccount> {
    const account = await accounts.findListed(userId)
    if (account === null) throw noSuchUser()
    return account
  }

  async function create(ctx: AppContext, { email, name, roles, password }: NewUser): Promise<Account> {
    if (password !== undefined)
      requireAcceptable(parts.passwordProblem, password, { email, name }, 'password')
    // Without a password the account gets one that no one knows, until its owner sets another.
    const passwordHash = await passwords.hash(password ?? randomBytes(32).toString('base64url'))
    const account = await accounts.create({ email, name, roles, passwordHash })
    if (account === 'email-taken')
      throw problem('email-taken', 'there is an account with this e-mail address')
    recordAuthEvent(ctx, 'account-created', { user: account.id, roles })
    if (password === undefined) await accountMails.invite(account, localeOf(ctx))
    return account
  }

  /** First the record, then what sessions know of it; the answer says that every worker goes by it. */
  async function change(ctx: AppContext, userId: string, changes: UserChanges): Promise<Account> {
    const named = Object.entries(changes).filter(([, value]) => value !== undefined)
    const account = await accounts.updateKeepingAdministrator(userId, Object.fromEntries(named))
    if (account === null) throw noSuchUser()
    if (account === 'last-administrator') {
      throw problem('last-administrator', 'this is the last administrator: make another one first')
    }
    recordAuthEvent(ctx, 'account-changed', {
      user: userId,
      roles: account.roles,
      disabled: account.disabled,
    })
    const applied = await effective.apply(account)
    if (applied.outcome === 'unconfirmed') {
      throw revocationUnconfirmed(
        'the account was changed, but it could not be confirmed that every worker knows: please ask again',
        applied.cause,
      )
    }
    return account
  }

  async function listSessions(userId: string): Promise<SessionInfo[]> {
    if (!(await accounts.has(userId))) throw noSuchUser()
    return sessions.list(userId)
  }

  async function endSession(ctx: AppContext, userId: string, sessionId: string): Promise<void> {
    if (!(await accounts.has(userId))) throw noSuchUser()
    const ended = await sessions.revokeById(userId, sessionId)
    if (ended.outcome === 'unconfirmed') {
      throw revocationUnconfirmed('the session may not have ended everywhere: please ask again', ended.cause)
    }
    if (ended.outcome === 'gone') throw problem('not-found', 'the user has no such session (any more)')
    recordAuthEvent(ctx, 'session-ended', { user: userId, session: sessionId })
  }

  /** Gives how many there were. */
  async function endSessions(ctx: AppContext, userId: string): Promise<number> {
    if (!(await accounts.has(userId))) throw noSuchUser()
    const ended = await sessions.revokeUser(userId)
    if (ended.outcome === 'unconfirmed') {
      throw revocationUnconfirmed('the sessions may not have ended everywhere: please ask again', ended.cause)
    }
    const revoked = ended.outcome === 'revoked' ? ended.count : 0
    recordAuthEvent(ctx, 'account-sessions-ended', { user: userId, revoked })
    return revoked
  }

  /** A mail with a link to set a password. Gives the account that it goes to. */
  async function sendPasswordLink(ctx: AppContext, userId: string): Promise<ListedAccount> {
    const account = await find(userId)
    if (account.disabled) throw problem('conflict', 'the account is disabled: enable it first')
    await requestPasswordReset(account.email)
    recordAuthEvent(ctx, 'password-link-sent', { user: userId })
    return account
  }

  return {
    list,
    find,
    create,
    change,
    listSessions,
    endSession,
    endSessions,
    sendPasswordLink,
    count: () => accounts.count(),
  }
}

function noSuchUser() {
  return problem('not-found', 'there is no user with this id')
}
