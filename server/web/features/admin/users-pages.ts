import { z } from 'zod'
import type { ListedAccount } from '../../../../shared/accounts/accounts.ts'
import { administrators, defaultRoles, type Role } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import type { Route } from '../../../../shared/app/route.ts'
import { email, line, newPassword } from '../../routing/fields.ts'
import { defineAction } from '../pages/action.ts'
import { checkbox, field, form } from '../pages/form.ts'
import { textsOf } from '../pages/locale.ts'
import { linksOf } from '../pages/page.ts'
import { pager } from '../pages/pager.ts'
import { table } from '../pages/table.ts'
import { timeOf } from '../pages/time.ts'
import type { UserOperations } from '../users/user-operations.ts'
import { adminPage } from './admin-page.ts'
import { reasonOf } from './reason.ts'

const path = '/admin/users'
const perPage = 50

/** Accounts: finding one of many, and making one. */
export function usersPages(users: UserOperations, roles: readonly Role[]): Route[] {
  return [
    adminPage({
      path,
      roles: administrators,
      section: 'users',
      summary: 'Accounts',
      query: z.strictObject({
        search: z.string().trim().max(254).optional(),
        after: z.string().max(254).optional(),
      }),
      async handler(ctx, { query: { search = '', after } }) {
        const { console } = textsOf(ctx)
        const texts = console.users
        const [{ users: found, next }, total] = await Promise.all([
          users.list({ limit: perPage, search, after }),
          users.count(),
        ])
        const main = html`<section class="card" aria-labelledby="found">
            <h2 id="found">${search === '' ? texts.all(total) : texts.found(search)}</h2>
            ${form(ctx, {
              action: path,
              method: 'get',
              button: texts.searchButton,
              look: 'quiet',
              inline: true,
              fields: [
                field({ name: 'search', label: texts.search, type: 'search', value: search, maxLength: 254 }),
              ],
            })}
            ${table({
              caption: texts.caption,
              columns: [texts.email, texts.name, texts.roles, texts.state, texts.created],
              rows: found.map((account) => ({ id: account.id, cells: cellsOf(ctx, account) })),
              empty: texts.none,
            })}
            ${pager(ctx, { path, after, next, query: search === '' ? {} : { search } })}
          </section>
          <section class="card" aria-labelledby="create">
            <h2 id="create">${texts.create}</h2>
            ${form(ctx, {
              action: `${path}/create`,
              button: texts.createButton,
              fields: [
                field({ name: 'email', label: texts.email, type: 'email', required: true, maxLength: 254 }),
                field({ name: 'name', label: texts.name, required: true, maxLength: 100 }),
                rolesField(ctx, roles, defaultRoles),
                field({
                  name: 'password',
                  label: texts.password,
                  type: 'password',
                  autocomplete: 'new-password',
                  maxLength: 1_024,
                  hint: texts.passwordHint,
                }),
              ],
            })}
          </section>`
        return { title: console.sections.users, main }
      },
    }),
    defineAction({
      path: `${path}/create`,
      back: path,
      access: { roles: administrators },
      summary: 'Create an account',
      body: z.strictObject({
        email,
        name: line(100),
        password: z.union([z.literal('').transform(() => undefined), newPassword]).optional(),
        ...roleShape(roles),
      }),
      tell: reasonOf,
      async handler(ctx, { body }) {
        const { email, name, password, ...ticked } = body
        const texts = textsOf(ctx).console.users
        const given = rolesIn(roles, ticked)
        if (given.length === 0) return { notice: { kind: 'fault', text: texts.noRole } }
        const account = await users.create(ctx, { email, name, password, roles: given })
        const text =
          password === undefined ? texts.createdAndInvited(account.email) : texts.createdNow(account.email)
        return { notice: { kind: 'done', text }, to: `${path}/${account.id}` }
      },
    }),
  ]
}

function cellsOf(ctx: AppContext, account: ListedAccount): readonly (Html | string)[] {
  const { id, email, name, roles, createdAt } = account
  return [
    html`<a href="${linksOf(ctx)(`${path}/${id}`)}"><bdi>${email}</bdi></a>`,
    html`<bdi>${name}</bdi>`,
    roles.join(', '),
    stateOf(ctx, account),
    timeOf(ctx, createdAt),
  ]
}

export function stateOf(ctx: AppContext, { disabled, damaged }: ListedAccount): Html {
  const texts = textsOf(ctx).console.users
  if (damaged) return html`<span class="tag fault">${texts.damaged}</span>`
  return disabled
    ? html`<span class="tag fault">${texts.disabled}</span>`
    : html`<span class="tag">${texts.enabled}</span>`
}

/** A box for each role: a form has no field twice. */
export function rolesField(ctx: AppContext, roles: readonly Role[], held: readonly Role[]): Html {
  return html`<fieldset>
    <legend>${textsOf(ctx).console.users.roles}</legend>
    ${roles.map((role) => checkbox({ name: `role.${role}`, label: role, checked: held.includes(role) }))}
  </fieldset>`
}

export function roleShape(
  roles: readonly Role[],
): Record<`role.${string}`, z.ZodOptional<z.ZodLiteral<'on'>>> {
  return Object.fromEntries(roles.map((role) => [`role.${role}`, z.literal('on').optional()]))
}

export function rolesIn(roles: readonly Role[], ticked: Readonly<Record<string, unknown>>): Role[] {
  return roles.filter((role) => ticked[`role.${role}`] === 'on')
}
