import { z } from 'zod'
import { administrators, builtInRoles, defaultRoles, type Role } from '../../../../shared/accounts/roles.ts'
import { requireIdentity } from '../../../../shared/app/context.ts'
import { defineRoute, type Access, type Route } from '../../../../shared/app/route.ts'
import { email, id, line, newPassword, pageLimit, roleList } from '../../routing/fields.ts'
import {
  accountSchema,
  listedAccountSchema,
  presentAccount,
  presentListed,
  presentSession,
  sessionSchema,
} from '../auth/representations.ts'
import { createUserOperations, type UserOperationParts } from './user-operations.ts'

export interface UserRouteParts extends UserOperationParts {
  /** Every role there is: ours when left out, else from `rolesWith`. */
  readonly roles?: readonly Role[]
}

const access: Access = { roles: administrators }
const path = '/api/v1/admin/users'

const search = z.string().trim().max(254).optional().describe('a part of the address or of the name')

const pageQuery = z.strictObject({
  after: z.string().max(254).optional().describe('the e-mail address that the page before ended with'),
  limit: pageLimit,
  search,
})

function newUserOf(roles: readonly Role[]) {
  return z.strictObject({
    email,
    name: line(100),
    roles: roleList(roles).default([...defaultRoles]),
    password: newPassword.optional().describe('left out: the user gets a mail with a link to set one'),
  })
}

function userChangesOf(roles: readonly Role[]) {
  return z
    .strictObject({ name: line(100), roles: roleList(roles), disabled: z.boolean(), tier: line(32) })
    .partial()
    .refine((changes) => Object.keys(changes).length > 0, 'names nothing to change')
    .meta({ minProperties: 1 })
}
/** Accounts, as administrators see and change them. */
export function userRoutes(parts: UserRouteParts): Route[] {
  const { roles = builtInRoles } = parts
  const users = createUserOperations(parts)
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
      async handler(ctx, { query }) {
        const { users: found, next } = await users.list(query)
        ctx.body = { users: found.map(presentListed), next }
      },
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
      async handler(ctx, { body }) {
        const account = await users.create(ctx, body)
        ctx.status = 201
        ctx.body = { user: presentAccount(account) }
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${path}/:id`,
      access,
      summary: 'One account',
      params,
      replies: {
        200: { description: 'The account', body: z.strictObject({ user: listedAccountSchema }) },
        404: { description: 'No such account' },
      },
      async handler(ctx, { params }) {
        ctx.body = { user: presentListed(await users.find(params.id)) }
      },
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
      async handler(ctx, { params, body }) {
        ctx.body = { user: presentAccount(await users.change(ctx, params.id, body)) }
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${path}/:id/sessions`,
      access,
      summary: 'The sessions of a user, newest first',
      params,
      replies: {
        200: { description: 'Sessions', body: z.strictObject({ sessions: z.array(sessionSchema) }) },
        404: { description: 'No such account' },
      },
      async handler(ctx, { params }) {
        const own = requireIdentity(ctx).identity.session.id
        const found = await users.listSessions(params.id)
        ctx.body = { sessions: found.map((session) => presentSession(session, own)) }
      },
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
      async handler(ctx, { params }) {
        ctx.body = { revoked: await users.endSessions(ctx, params.id) }
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: `${path}/:id/sessions/:session`,
      access,
      summary: 'End one session of a user',
      params: z.strictObject({ id, session: id }),
      replies: {
        204: { description: 'Ended everywhere' },
        404: { description: 'No such account, or no such session' },
      },
      async handler(ctx, { params }) {
        await users.endSession(ctx, params.id, params.session)
        ctx.status = 204
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${path}/:id/password-link`,
      access,
      summary: 'Send a user a mail with a link to set a password',
      params,
      replies: {
        202: { description: 'The mail is on its way', body: z.strictObject({ message: z.string() }) },
        404: { description: 'No such account' },
        409: { description: 'The account is disabled' },
      },
      async handler(ctx, { params }) {
        await users.sendPasswordLink(ctx, params.id)
        ctx.status = 202
        ctx.body = { message: 'a mail with a link to set a password is on its way' }
      },
    }),
  ]
}
