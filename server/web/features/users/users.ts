import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { administrators, builtInRoles, defaultRoles, type Role } from '../../../../shared/accounts/roles.ts'
import type { AccountStore, Passwords } from '../../../../shared/accounts/accounts.ts'
import type { EffectiveAccounts } from '../../../../shared/accounts/effective-account.ts'
import type { Sessions } from '../../../../shared/sessions/sessions.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { problem, revocationUnconfirmed } from '../../../../shared/app/problem.ts'
import { defineRoute, type Access, type Route } from '../../../../shared/app/route.ts'
import { email, id, line, newPassword, pageLimit, roleList } from '../../routing/fields.ts'
import { requireAcceptable, type PasswordProblem } from '../auth/password.ts'
import type { RequestPasswordReset } from '../auth/password-reset.ts'
import { accountSchema, listedAccountSchema, presentAccount, presentListed } from '../auth/representations.ts'

export interface UserRouteParts {
  readonly sessions: Pick<Sessions, 'revokeUser'>
  readonly accounts: Pick<AccountStore, 'list' | 'create' | 'updateKeepingAdministrator' | 'has'>
  readonly effective: Pick<EffectiveAccounts, 'apply'>
  readonly passwords: Pick<Passwords, 'hash'>
  readonly passwordProblem: PasswordProblem
  readonly requestPasswordReset: RequestPasswordReset
  readonly recordAuthEvent: RecordAuthEvent
  /** Every role there is: ours when left out, else from `rolesWith`. */
  readonly roles?: readonly Role[]
}

const access: Access = { roles: administrators }
const path = '/api/v1/admin/users'

const pageQuery = z.strictObject({
  after: z.string().max(254).optional().describe('the e-mail address that the page before ended with'),
  limit: pageLimit,
})

function newUserOf(roles: readonly Role[]) {
  return z.strictObject({
    email,
    name: line(100),
    roles: roleList(roles).default([...defaultRoles]),
    password: newPassword.optional().describe('left out: the user gets a mail with a link to set one'),
  })
}
type NewUser = z.output<ReturnType<typeof newUserOf>>

function userChangesOf(roles: readonly Role[]) {
  return z
    .strictObject({ name: line(100), roles: roleList(roles), disabled: z.boolean(), tier: line(32) })
    .partial()
    .refine((changes) => Object.keys(changes).length > 0, 'names nothing to change')
    .meta({ minProperties: 1 })
}
type UserChanges = z.output<ReturnType<typeof userChangesOf>>

/** Accounts, as administrators see and change them. */
export function userRoutes(parts: UserRouteParts): Route[] {
  const { sessions, accounts, effective, passwords, requestPasswordReset, recordAuthEvent } = parts
  const { roles = builtInRoles } = parts

  async function list(ctx: AppContext, { after, limit }: z.output<typeof pageQuery>): Promise<void> {
    const found = await accounts.list(after === undefined ? { limit } : { after, limit })
    const next = found.length === limit ? (found.at(-1)?.email ?? null) : null
    ctx.body = { users: found.map(presentListed), next }
  }

  async function create(ctx: AppContext, { email, name, roles, password }: NewUser): Promise<void> {
    if (password !== undefined)
      requireAcceptable(parts.passwordProblem, password, { email, name }, 'password')
    // Without a password the account gets one that nobody knows, until its owner sets another.
    const passwordHash = await passwords.hash(password ?? randomBytes(32).toString('base64url'))
    const account = await accounts.create({ email, name, roles, passwordHash })
    if (account === 'email-taken')
      throw problem('email-taken', 'there is an account with this e-mail address')
    recordAuthEvent(ctx, 'account-created', { user: account.id, roles })
    if (password === undefined) await requestPasswordReset(account.email)
    ctx.status = 201
    ctx.body = { user: presentAccount(account) }
  }

  /** First the record, then what sessions know of it; the answer says that every worker goes by it. */
  async function change(ctx: AppContext, userId: string, changes: UserChanges): Promise<void> {
    const account = await accounts.updateKeepingAdministrator(userId, changes)
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
    ctx.body = { user: presentAccount(account) }
  }

  async function endSessions(ctx: AppContext, userId: string): Promise<void> {
    if (!(await accounts.has(userId))) throw noSuchUser()
    const ended = await sessions.revokeUser(userId)
    if (ended.outcome === 'unconfirmed') {
      throw revocationUnconfirmed('the sessions may not have ended everywhere: please ask again', ended.cause)
    }
    const revoked = ended.outcome === 'revoked' ? ended.count : 0
    recordAuthEvent(ctx, 'account-sessions-ended', { user: userId, revoked })
    ctx.body = { revoked }
  }

  const user = z.strictObject({ user: accountSchema })
  const params = z.strictObject({ id })
  return [
    defineRoute({
      method: 'GET',
      path,
      access,
      summary: 'Accounts by e-mail address, page by page',
      query: pageQuery,
      replies: {
        200: {
          description: 'A page; `next` is what to send as `after` for the one that follows',
          body: z.strictObject({ users: z.array(listedAccountSchema), next: z.string().nullable() }),
        },
      },
      handler: (ctx, { query }) => list(ctx, query),
    }),
    defineRoute({
      method: 'POST',
      path,
      access,
      summary: 'Create an account',
      body: newUserOf(roles),
      replies: {
        201: { description: 'Created', body: user },
        409: { description: 'The e-mail address is taken' },
      },
      handler: (ctx, { body }) => create(ctx, body),
    }),
    defineRoute({
      method: 'PATCH',
      path: `${path}/:id`,
      access,
      summary: 'Change an account, effective on every worker; disabling it ends all its sessions',
      params,
      body: userChangesOf(roles),
      replies: {
        200: { description: 'Changed', body: user },
        404: { description: 'No such account' },
        409: { description: 'The last administrator' },
      },
      handler: (ctx, { params, body }) => change(ctx, params.id, body),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${path}/:id/sessions`,
      access,
      summary: 'End all sessions of a user',
      params,
      replies: {
        200: { description: 'Ended everywhere', body: z.strictObject({ revoked: z.int().min(0) }) },
        404: { description: 'No such account' },
      },
      handler: (ctx, { params }) => endSessions(ctx, params.id),
    }),
  ]
}

function noSuchUser() {
  return problem('not-found', 'there is no user with this id')
}
