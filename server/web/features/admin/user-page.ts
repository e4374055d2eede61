import { z } from 'zod'
import type { ListedAccount } from '../../../../shared/accounts/accounts.ts'
import { administrators, type Role } from '../../../../shared/accounts/roles.ts'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import type { Route } from '../../../../shared/app/route.ts'
import type { SessionInfo } from '../../../../shared/sessions/index.ts'
import { id, line } from '../../routing/fields.ts'
import { describeDevice } from '../account/describe-device.ts'
import { defineAction, type Outcome } from '../pages/action.ts'
import { answerConfirmation, confirmed } from '../pages/confirmation.ts'
import { field, form } from '../pages/form.ts'
import { textsOf } from '../pages/locale.ts'
import { linksOf } from '../pages/page.ts'
import { pager } from '../pages/pager.ts'
import { table } from '../pages/table.ts'
import { timeOf } from '../pages/time.ts'
import type { UserOperations } from '../users/user-operations.ts'
import { adminPage } from './admin-page.ts'
import { reasonOf } from './reason.ts'
import { roleShape, rolesField, rolesIn, stateOf } from './users-pages.ts'

const path = '/admin/users'
const devicesPerPage = 50
/** Of the account that a form is about. */
const user = id

/** One account: what it is, what it may, and the devices that are signed in. */
export function userPages(users: UserOperations, roles: readonly Role[], auditIsThere: boolean): Route[] {
  const pageOf = (userId: string) => `${path}/${userId}`

  /** An action of the page of a user, which goes back there. */
  function action<Shape extends z.ZodRawShape>(
    verb: string,
    summary: string,
    fields: Shape,
    handler: (
      ctx: AppContext,
      body: z.output<z.ZodObject<Shape>> & { readonly user: string },
    ) => Promise<Outcome>,
  ): Route {
    return defineAction({
      path: `${path}/${verb}`,
      back: pageWithForm,
      access: { roles: administrators },
      summary,
      body: z.strictObject({ ...fields, user }),
      tell: reasonOf,
      async handler(ctx, { body }) {
        const fields = body as z.output<z.ZodObject<Shape>> & { readonly user: string }
        const outcome = await handler(ctx, fields)
        return outcome && { to: pageOf(fields.user), ...outcome }
      },
    })
  }

  const done = (text: string): Outcome => ({ notice: { kind: 'done', text } })

  return [
    adminPage({
      path: `${path}/:id`,
      roles: administrators,
      summary: 'An account, and its devices',
      params: z.strictObject({ id }),
      query: z.strictObject({ after: id.optional() }),
      async handler(ctx, { params, query }) {
        const texts = textsOf(ctx).console.users
        const account = await users.find(params.id)
        const sessions = await users.listSessions(params.id)
        const main = html`<p><a href="${linksOf(ctx)(path)}">${texts.back}</a></p>
          <div class="cards">${factsOf(ctx, account, auditIsThere)} ${changeForm(ctx, account, roles)}</div>
          ${devicesOf(ctx, account, sessions, query.after)}`
        return { title: account.name === '' ? account.email : account.name, main }
      },
    }),
    action(
      'change',
      'Change the name and the roles of an account',
      { name: line(100), ...roleShape(roles) },
      async (ctx, body) => {
        const texts = textsOf(ctx).console.users
        const given = rolesIn(roles, body)
        if (given.length === 0) return { notice: { kind: 'fault', text: texts.noRole } }
        await users.change(ctx, body.user, { name: String(body['name']), roles: given })
        return done(texts.changed)
      },
    ),
    action(
      'disable',
      'Disable an account, which ends all its sessions',
      { confirmed },
      async (ctx, { user, confirmed }) => {
        const texts = textsOf(ctx).console.users
        const account = await users.find(user)
        if (confirmed !== 'yes') {
          return answerConfirmation(ctx, {
            title: texts.disable,
            text: texts.disableQuestion(account.email),
            action: `${path}/disable`,
            hidden: { user },
            button: texts.disable,
            back: pageOf(user),
          })
        }
        await users.change(ctx, user, { disabled: true })
        return done(texts.disabledNow(account.email))
      },
    ),
    action('enable', 'Enable an account', {}, async (ctx, { user }) => {
      const account = await users.change(ctx, user, { disabled: false })
      return done(textsOf(ctx).console.users.enabledNow(account.email))
    }),
    action('password-link', 'Send a link to set a password', {}, async (ctx, { user }) => {
      const account = await users.sendPasswordLink(ctx, user)
      return done(textsOf(ctx).console.users.linkSent(account.email))
    }),
    action('end-session', 'End one session of a user', { session: id }, async (ctx, { user, session }) => {
      await users.endSession(ctx, user, session)
      return done(textsOf(ctx).console.users.ended)
    }),
    action('end-sessions', 'End all sessions of a user', { confirmed }, async (ctx, { user, confirmed }) => {
      const texts = textsOf(ctx).console.users
      const account = await users.find(user)
      if (confirmed !== 'yes') {
        return answerConfirmation(ctx, {
          title: texts.endAll,
          text: texts.endAllQuestion(account.email),
          action: `${path}/end-sessions`,
          hidden: { user },
          button: texts.endAll,
          back: pageOf(user),
        })
      }
      return done(texts.endedAll(await users.endSessions(ctx, user)))
    }),
  ]
}

/** The page that a refused form came from, by what the browser says; the fields of such a form are worth nothing. */
function pageWithForm(ctx: AppContext): string {
  const [, userId] = /\/admin\/users\/([\w-]{1,64})(?:\?|$)/.exec(ctx.get('Referer')) ?? []
  return userId === undefined ? path : `${path}/${userId}`
}

function factsOf(ctx: AppContext, account: ListedAccount, auditIsThere: boolean): Html {
  const texts = textsOf(ctx).console.users
  const { id, email, tier, emailVerified, createdAt, updatedAt, damaged, disabled } = account
  const audit = linksOf(ctx)(`/admin/audit?${new URLSearchParams({ user: id }).toString()}`)
  const button = (verb: string, text: string, look: 'quiet' | 'danger') =>
    form(ctx, { action: `${path}/${verb}`, button: text, hidden: { user: id }, look, inline: true })
  return html`<section class="card" aria-labelledby="facts">
    <h2 id="facts">${texts.facts}</h2>
    ${damaged ? html`<p role="alert">${texts.damagedExplained(damaged.join(', '))}</p>` : null}
    <dl>
      <dt>${texts.email}</dt>
      <dd><bdi>${email}</bdi> ${emailVerified ? html`<span class="tag">${texts.verified}</span>` : null}</dd>
      <dt>${texts.state}</dt>
      <dd>${stateOf(ctx, account)}</dd>
      <dt>${texts.tier}</dt>
      <dd>${tier}</dd>
      <dt>${texts.created}</dt>
      <dd>${timeOf(ctx, createdAt)}</dd>
      <dt>${texts.updated}</dt>
      <dd>${timeOf(ctx, updatedAt)}</dd>
      <dt>${texts.id}</dt>
      <dd><code>${id}</code></dd>
    </dl>
    ${auditIsThere ? html`<p><a href="${audit}">${texts.trail}</a></p>` : null}
    <div class="actions">
      ${disabled ? null : button('password-link', texts.sendLink, 'quiet')}
      ${disabled ? button('enable', texts.enable, 'quiet') : button('disable', texts.disable, 'danger')}
    </div>
  </section>`
}

function changeForm(ctx: AppContext, { id, name, roles: held }: ListedAccount, roles: readonly Role[]): Html {
  const { console, common } = textsOf(ctx)
  const texts = console.users
  return html`<section class="card" aria-labelledby="change">
    <h2 id="change">${texts.change}</h2>
    ${form(ctx, {
      action: `${path}/change`,
      button: common.save,
      hidden: { user: id },
      fields: [
        field({ name: 'name', label: texts.name, value: name, required: true, maxLength: 100 }),
        rolesField(ctx, roles, held),
      ],
    })}
  </section>`
}

function devicesOf(
  ctx: AppContext,
  { id, email }: ListedAccount,
  sessions: readonly SessionInfo[],
  after: string | undefined,
): Html {
  const texts = textsOf(ctx).console.users
  const own = requireIdentity(ctx).identity.session.id
  const from = after === undefined ? 0 : sessions.findIndex((session) => session.id === after) + 1
  const shown = sessions.slice(from, from + devicesPerPage)
  const next = sessions.length > from + devicesPerPage ? (shown.at(-1)?.id ?? null) : null
  const columns = [texts.device, texts.ip, texts.signedIn, texts.lastSeen, { unseen: texts.end }]
  return html`<section class="card" aria-labelledby="devices">
    <h2 id="devices">${texts.devices(sessions.length)}</h2>
    ${table({
      caption: texts.devicesOf(email),
      columns,
      rows: shown.map((session) => {
        const device = session.label ?? describeDevice(session.userAgent, textsOf(ctx))
        return {
          id: session.id,
          cells: [
            html`<bdi>${device}</bdi>
              ${session.id === own ? html`<span class="tag">${texts.yourOwn}</span>` : null}`,
            session.ip ?? '–',
            timeOf(ctx, session.createdAt),
            timeOf(ctx, session.lastSeenAt),
            form(ctx, {
              action: `${path}/end-session`,
              button: texts.end,
              name: texts.endNamed(device),
              hidden: { user: id, session: session.id },
              look: 'quiet',
              inline: true,
            }),
          ],
        }
      }),
      empty: texts.noDevices,
    })}
    ${pager(ctx, { path: `${path}/${id}`, after, next })}
    ${
      sessions.length === 0
        ? null
        : form(ctx, {
            action: `${path}/end-sessions`,
            button: texts.endAll,
            hidden: { user: id },
            look: 'danger',
          })
    }
  </section>`
}
