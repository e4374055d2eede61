import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import type { Route } from '../../../../shared/app/route.ts'
import { undoPolicy } from '../../../../shared/limits/open-limits.ts'
import { ownFields } from '../../../../shared/settings/own-settings.ts'
import { runtimeSettingsSchema } from '../../../../shared/settings/runtime-settings.ts'
import { defineAction } from '../pages/action.ts'
import { answerConfirmation, confirmed } from '../pages/confirmation.ts'
import { choice, field, form } from '../pages/form.ts'
import { textsOf } from '../pages/locale.ts'
import type {
  PresentedSettings,
  SettingsChanges,
  SettingsOperations,
} from '../settings/settings-operations.ts'
import { adminPage } from './admin-page.ts'
import { reasonOf } from './reason.ts'

const path = '/admin/settings'
const access = { roles: administrators }
const limits = [undoPolicy]

const { cacheMode, logLevel } = runtimeSettingsSchema.shape
const choices = { cacheMode: cacheMode.options, logLevel: logLevel.options } as const
type Choice = keyof typeof choices

/** Sent in the place of a value: back to the configuration, or to what the application says. */
const usual = ''

export interface SettingsPageParts {
  readonly settings: SettingsOperations
  /** The application's own. */
  readonly settingsSchema?: z.ZodObject
}

/** The state that all workers share, with what each change does. */
export function settingsPages({ settings, settingsSchema }: SettingsPageParts): Route[] {
  const own = ownFields(settingsSchema)

  async function change(ctx: AppContext, changes: SettingsChanges) {
    await settings.change(ctx, changes)
    return { notice: { kind: 'done', text: textsOf(ctx).console.settings.changed } as const }
  }

  return [
    adminPage({
      path,
      roles: administrators,
      section: 'settings',
      limits,
      summary: 'The settings that all workers follow',
      handler(ctx) {
        const { console } = textsOf(ctx)
        const view = settings.view()
        const main = html`<p>${console.settings.explained}</p>
          <div class="cards">
            ${maintenanceCard(ctx, view)} ${choiceCard(ctx, view, 'cacheMode')}
            ${choiceCard(ctx, view, 'logLevel')} ${Object.keys(own).map((name) => ownCard(ctx, view, name))}
          </div>`
        return { title: console.sections.settings, main }
      },
    }),
    defineAction({
      path: `${path}/maintenance`,
      back: path,
      access,
      limits,
      summary: 'Begin or end maintenance, on every worker',
      body: z.strictObject({ maintenance: z.enum(['on', 'off']), confirmed }),
      handler(ctx, { body: { maintenance, confirmed } }) {
        const texts = textsOf(ctx).console.settings.maintenance
        if (maintenance === 'on' && confirmed !== 'yes') {
          return answerConfirmation(ctx, {
            title: texts.begin,
            text: texts.question,
            action: `${path}/maintenance`,
            hidden: { maintenance },
            button: texts.begin,
            back: path,
          })
        }
        return change(ctx, { maintenance: maintenance === 'on' })
      },
    }),
    defineAction({
      path: `${path}/change`,
      back: path,
      access,
      limits,
      summary: 'Change how sessions are cached or what is logged, on every worker',
      body: z
        .strictObject({
          cacheMode: z.union([z.literal(usual), cacheMode]),
          logLevel: z.union([z.literal(usual), logLevel]),
        })
        .partial(),
      tell: reasonOf,
      handler(ctx, { body }) {
        const named = Object.entries(body).map(([name, value]) => [name, value === usual ? null : value])
        return change(ctx, Object.fromEntries(named) as SettingsChanges)
      },
    }),
    defineAction({
      path: `${path}/own`,
      back: path,
      access,
      limits,
      summary: "Change a setting of the application's own, on every worker",
      body: z.strictObject({ name: z.string().max(64), value: z.string().max(10_000) }),
      tell: reasonOf,
      async handler(ctx, { body: { name, value } }) {
        const texts = textsOf(ctx).console.settings
        const schema = Object.hasOwn(own, name) ? own[name] : undefined
        if (schema === undefined) return { notice: { kind: 'fault', text: texts.unknown(name) } }
        if (value.trim() === usual) return change(ctx, { [name]: null } as SettingsChanges)
        const read = schema.safeParse(jsonOr(value))
        const accepted = read.success ? read : schema.safeParse(value)
        if (!accepted.success) {
          const text = texts.notAccepted(name, accepted.error.issues[0]?.message ?? '')
          return { notice: { kind: 'fault', text } }
        }
        return change(ctx, { [name]: accepted.data } as SettingsChanges)
      },
    }),
  ]
}

/** Numbers, lists and yes or no are typed as JSON; what is none is a text. */
function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function maintenanceCard(ctx: AppContext, { maintenance }: PresentedSettings): Html {
  const { settings } = textsOf(ctx).console
  const texts = settings.maintenance
  return html`<section class="card" aria-labelledby="maintenance">
    <h2 id="maintenance">${texts.title}</h2>
    <p><span class="${maintenance ? 'tag fault' : 'tag'}">${maintenance ? texts.on : texts.off}</span></p>
    <p>${texts.explained}</p>
    ${form(ctx, {
      action: `${path}/maintenance`,
      button: maintenance ? texts.end : texts.begin,
      hidden: { maintenance: maintenance ? 'off' : 'on' },
      ...(maintenance ? {} : { look: 'danger' as const }),
    })}
  </section>`
}

function choiceCard(ctx: AppContext, view: PresentedSettings, name: Choice): Html {
  const { settings } = textsOf(ctx).console
  const { title, explained, options } = settings[name]
  const words: Readonly<Record<string, string>> = options
  return html`<section class="card" aria-labelledby="${name}-title">
    <h2 id="${name}-title">${title}</h2>
    <p>${explained}</p>
    ${form(ctx, {
      action: `${path}/change`,
      button: settings.change,
      name: settings.changeNamed(title),
      fields: [
        choice({
          name,
          label: title,
          value: view.overridden.includes(name) ? view[name] : usual,
          options: [
            {
              value: usual,
              label: view.overridden.includes(name) ? settings.usual : settings.usualIs(view[name]),
            },
            ...choices[name].map((value) => ({ value, label: words[value] ?? value })),
          ],
        }),
      ],
    })}
  </section>`
}

function ownCard(ctx: AppContext, view: PresentedSettings, name: string): Html {
  const { settings } = textsOf(ctx).console
  const value = (view as Readonly<Record<string, unknown>>)[name]
  const id = `own-${name}`
  return html`<section class="card" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${name}</h2>
    <p>${view.overridden.includes(name) ? settings.ownChanged : settings.ownUsual}</p>
    ${form(ctx, {
      action: `${path}/own`,
      button: settings.change,
      name: settings.changeNamed(name),
      hidden: { name },
      fields: [
        field({
          name: 'value',
          id,
          label: settings.value(name),
          value: typeof value === 'string' ? value : JSON.stringify(value),
          maxLength: 10_000,
          hint: settings.ownHint,
        }),
      ],
    })}
  </section>`
}
