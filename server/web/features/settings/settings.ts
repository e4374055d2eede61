import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import type { Settings, SettingsView } from '../../../../shared/settings/settings.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { undoPolicy } from '../../../../shared/limits/open-limits.ts'
import { requireIdentity } from '../../../../shared/app/context.ts'
import { invalidFields } from '../../../../shared/app/problem.ts'
import { defineRoute, type Access, type Route } from '../../../../shared/app/route.ts'
import { limitSettings, needConfirmation } from './limit-floor.ts'
import { runtimeSettingsSchema, type RuntimeSettings } from '../../../../shared/settings/runtime-settings.ts'

export interface SettingsRouteParts {
  readonly settings: Settings<RuntimeSettings>
  /** How many web workers share the sessions: a cache that is true in one process only must not be chosen. */
  readonly webWorkers: () => Promise<number>
  readonly recordAuthEvent: RecordAuthEvent
}

const access: Access = { roles: administrators }
const path = '/api/v1/admin/settings'
const { maintenance, cacheMode, logLevel, limitApi: limit } = runtimeSettingsSchema.shape

const limits = z.strictObject({ api: limit, loginIp: limit, loginAccount: limit })
const view = z.strictObject({
  maintenance,
  cacheMode,
  logLevel,
  limits,
  overridden: z.array(z.string()).describe('those that differ from the configuration'),
  version: z.int(),
})
const changes = z
  .strictObject({
    maintenance: maintenance.nullable(),
    cacheMode: cacheMode.nullable(),
    logLevel: logLevel.nullable(),
    limits: z.strictObject({
      api: limit.nullable().optional(),
      loginIp: limit.nullable().optional(),
      loginAccount: limit.nullable().optional(),
    }),
    confirm: z.literal(true).describe('needed for limits that lock people out for long'),
  })
  .partial()
  .describe('null goes back to the configuration')

/** The state that all workers share, as administrators see and change it. */
export function settingsRoutes({ settings, webWorkers, recordAuthEvent }: SettingsRouteParts): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path,
      access,
      limits: [undoPolicy],
      summary: 'The settings that all workers follow',
      replies: { 200: { description: 'The settings', body: view } },
      handler(ctx) {
        ctx.body = present(settings.current())
      },
    }),
    defineRoute({
      method: 'PATCH',
      path,
      access,
      limits: [undoPolicy],
      summary: 'Change settings; effective on every worker when this is answered',
      body: changes,
      replies: { 200: { description: 'The settings as they are now', body: view } },
      async handler(ctx, { body: { limits: rules, confirm, ...others } }) {
        if (others.cacheMode === 'memory') requireLoneWorker(await webWorkers())
        const changed = {
          ...others,
          limitApi: rules?.api,
          limitLoginIp: rules?.loginIp,
          limitLoginAccount: rules?.loginAccount,
        }
        if (!confirm) requireNothingToConfirm(changed)
        const named = Object.entries(changed).filter(([, value]) => value !== undefined)
        if (named.length === 0) {
          ctx.body = present(settings.current())
          return
        }
        const after = await settings.change(Object.fromEntries(named))
        recordAuthEvent(ctx, 'settings-changed', {
          user: requireIdentity(ctx).identity.user.id,
          changed: named.map(([name]) => name),
        })
        ctx.body = present(after)
      },
    }),
  ]
}

function present({ values, overridden, version }: SettingsView<RuntimeSettings>): z.output<typeof view> {
  const { limitApi, limitLoginIp, limitLoginAccount, ...others } = values
  const names: Readonly<Record<string, string>> = limitSettings
  return {
    ...others,
    limits: { api: limitApi, loginIp: limitLoginIp, loginAccount: limitLoginAccount },
    overridden: overridden.map((name) => names[name] ?? name),
    version,
  }
}

function requireNothingToConfirm(changed: Parameters<typeof needConfirmation>[0]): void {
  const errors = needConfirmation(changed).map(({ field, message }) => ({
    field,
    message: `${message}: add "confirm": true to set it all the same`,
  }))
  if (errors.length > 0) throw invalidFields(errors)
}

function requireLoneWorker(webWorkers: number): void {
  if (webWorkers < 2) return
  throw invalidFields([
    {
      field: 'cacheMode',
      message:
        `memory is right for one worker only, and here are ${webWorkers}: ` +
        'a session logged out on worker A would live on in worker B',
    },
  ])
}
