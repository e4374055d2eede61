import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import type { Route } from '../../../../shared/app/route.ts'
import { formatLimitRule } from '../../../../shared/config/limit-rule.ts'
import type { RateLimiter } from '../../../../shared/limits/rate-limiter.ts'
import { runtimeSettingsSchema } from '../../../../shared/settings/runtime-settings.ts'
import { undoPolicy } from '../../../../shared/limits/open-limits.ts'
import type { LimitOperations } from '../limits/limit-operations.ts'
import type { LimitStanding } from '../limits/standing.ts'
import { defineAction } from '../pages/action.ts'
import { answerConfirmation, confirmed } from '../pages/confirmation.ts'
import { choice, field, form } from '../pages/form.ts'
import { localeOf, textsOf } from '../pages/locale.ts'
import { table } from '../pages/table.ts'
import type { SettingsOperations } from '../settings/settings-operations.ts'
import { adminPage } from './admin-page.ts'
import { age, count } from './figures.ts'
import { reasonOf } from './reason.ts'

const path = '/admin/limits'
const access = { roles: administrators }
/** What takes back a limit that was set by mistake must not be refused by it. */
const limits = [undoPolicy]

const policy = z.string().max(64)
const key = z.string().trim().min(1).max(512)

export interface LimitPageParts {
  readonly limits: LimitOperations
  readonly limiter: Pick<RateLimiter, 'policies'>
  /** Null where the application leaves the settings out. */
  readonly settings: SettingsOperations | null
}

/** The policies that can be changed while running, by the names of their settings. */
const changeable = { api: 'api', 'login-ip': 'loginIp', 'login-account': 'loginAccount' } as const
type Changeable = keyof typeof changeable

/** Rate limits: what stands against someone, forgetting it, and changing the rules. */
export function limitPages({ limits: operations, limiter, settings }: LimitPageParts): Route[] {
  function rules(): { readonly name: string; readonly rule: string | null; readonly about: string }[] {
    const ruled = new Map(limiter.policies().map(({ name, rule, onOutage }) => [name, { rule, onOutage }]))
    const view = settings?.view().limits
    return operations.policies().map((name) => {
      const own = ruled.get(name)
      const changed = isChangeable(name) ? view?.[changeable[name]] : undefined
      const rule = own === undefined || typeof own.rule === 'function' ? null : formatLimitRule(own.rule)
      return { name, rule: changed ?? rule, about: own?.onOutage ?? 'closed' }
    })
  }

  async function standing(ctx: AppContext, asked: { policy?: string | undefined; key?: string | undefined }) {
    if (asked.policy === undefined || asked.key === undefined) return null
    return standingOf(ctx, await operations.inspect(asked.policy, asked.key), asked.key)
  }

  return [
    adminPage({
      path,
      roles: administrators,
      section: 'limits',
      limits,
      summary: 'Rate limits, and what stands against whom',
      query: z.strictObject({ policy: policy.optional(), key: key.optional() }),
      async handler(ctx, { query }) {
        const { console } = textsOf(ctx)
        const texts = console.limits
        const all = rules()
        const main = html`<section class="card" aria-labelledby="inspect">
            <h2 id="inspect">${texts.inspect}</h2>
            <p>${texts.inspectExplained}</p>
            ${form(ctx, {
              action: path,
              method: 'get',
              button: texts.inspectButton,
              fields: [
                choice({
                  name: 'policy',
                  label: texts.policy,
                  value: query.policy ?? 'api',
                  options: all.map(({ name }) => ({ value: name, label: name })),
                }),
                field({
                  name: 'key',
                  label: texts.key,
                  value: query.key ?? '',
                  required: true,
                  maxLength: 512,
                  hint: texts.keyHint,
                }),
              ],
            })}
            ${await standing(ctx, query)}
          </section>
          <section class="card" aria-labelledby="rules">
            <h2 id="rules">${texts.rules}</h2>
            ${table({
              caption: texts.rules,
              columns: [texts.policy, texts.rule, texts.onOutage, { unseen: texts.change }],
              rows: all.map(({ name, rule, about }) => ({
                cells: [
                  html`<strong>${name}</strong>`,
                  rule === null ? texts.byKey : html`<code>${rule}</code>`,
                  texts.outage[about as keyof typeof texts.outage],
                  settings && isChangeable(name) && rule !== null ? changeForm(ctx, name, rule) : html``,
                ],
              })),
              empty: texts.none,
            })}
            <p class="fine-print">${texts.rulesExplained}</p>
          </section>`
        return { title: console.sections.limits, main }
      },
    }),
    defineAction({
      path: `${path}/reset`,
      back: path,
      access,
      limits,
      summary: 'Forget what a user or an address has used',
      body: z.strictObject({ policy, key, confirmed }),
      async handler(ctx, { body: { policy, key, confirmed } }) {
        const texts = textsOf(ctx).console.limits
        const back = `${path}?${new URLSearchParams({ policy, key }).toString()}`
        if (confirmed !== 'yes') {
          return answerConfirmation(ctx, {
            title: texts.reset,
            text: texts.resetQuestion(policy, key),
            action: `${path}/reset`,
            hidden: { policy, key },
            button: texts.resetButton,
            back,
          })
        }
        await operations.reset(ctx, policy, key)
        return { notice: { kind: 'done', text: texts.resetDone(policy, key) }, to: back }
      },
    }),
    ...(settings === null ? [] : [changeAction(settings)]),
  ]
}

function changeAction(settings: SettingsOperations): Route {
  return defineAction({
    path: `${path}/change`,
    back: path,
    access,
    limits,
    summary: 'Change the rule of a limit, on every worker',
    body: z.strictObject({
      policy: z.enum(Object.keys(changeable) as [Changeable, ...Changeable[]]),
      // Left empty: back to the configuration.
      rule: z.union([z.literal(''), runtimeSettingsSchema.shape.limitApi]),
      confirmed,
    }),
    tell: reasonOf,
    async handler(ctx, { body: { policy, rule, confirmed } }) {
      const texts = textsOf(ctx).console.limits
      const changes = { limits: { [changeable[policy]]: rule === '' ? null : rule } }
      const [reason] = settings.toConfirm(changes)
      if (reason !== undefined && confirmed !== 'yes') {
        return answerConfirmation(ctx, {
          title: texts.confirmTitle,
          text: texts.confirmQuestion(policy, rule, reason.message),
          action: `${path}/change`,
          hidden: { policy, rule },
          button: texts.confirmButton,
          back: path,
        })
      }
      const { limits: now } = await settings.change(
        ctx,
        reason === undefined ? changes : { ...changes, confirm: true },
      )
      return { notice: { kind: 'done', text: texts.changed(policy, now[changeable[policy]]) } }
    },
  })
}

function isChangeable(name: string): name is Changeable {
  return Object.hasOwn(changeable, name)
}

function changeForm(ctx: AppContext, name: Changeable, rule: string): Html {
  const texts = textsOf(ctx).console.limits
  return form(ctx, {
    action: `${path}/change`,
    button: texts.change,
    name: texts.changeNamed(name),
    look: 'quiet',
    inline: true,
    hidden: { policy: name },
    fields: [
      field({
        name: 'rule',
        id: `rule-${name}`,
        label: texts.ruleOf(name),
        value: rule,
        maxLength: 32,
        hideLabel: true,
      }),
    ],
  })
}

function standingOf(ctx: AppContext, standing: LimitStanding, typed: string): Html {
  const texts = textsOf(ctx).console.limits
  const locale = localeOf(ctx)
  const { policy, key, limit, windowMs, charged, remaining, retryAfterMs } = standing
  return html`<h3>${texts.standing(policy, key)}</h3>
    <dl>
      <dt>${texts.limit}</dt>
      <dd>
        ${limit === null ? texts.unlimited : windowMs === null ? count(locale, limit) : texts.per(count(locale, limit), age(windowMs))}
      </dd>
      <dt>${texts.charged}</dt>
      <dd>${count(locale, charged)}</dd>
      ${
        remaining === null
          ? null
          : html`<dt>${texts.remaining}</dt>
              <dd>${count(locale, remaining)}</dd>`
      }
      ${
        retryAfterMs > 0
          ? html`<dt>${texts.retryAfter}</dt>
              <dd>${age(retryAfterMs + 999)}</dd>`
          : null
      }
    </dl>
    ${form(ctx, {
      action: `${path}/reset`,
      button: texts.resetButton,
      look: 'quiet',
      hidden: { policy, key: typed },
    })}`
}
