import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import type { Settings, SettingsView } from '../../../../shared/settings/settings.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { undoPolicy } from '../../../../shared/limits/open-limits.ts'
import { requireIdentity } from '../../../../shared/app/context.ts'
import { invalidFields } from '../../../../shared/app/problem.ts'
import { defineRoute, type Access, type Route } from '../../../../shared/app/route.ts'
import { limitSettings, needConfirmation } from './limit-floor.ts'
import { ownFields, ownName, storedName } from '../../../../shared/settings/own-settings.ts'
import { runtimeSettingsSchema, type RuntimeSettings } from '../../../../shared/settings/runtime-settings.ts'

export interface SettingsRouteParts {
  readonly settings: Settings<RuntimeSettings>
  /** The application's own among them. */
  readonly settingsSchema?: z.ZodObject
  /** How many web workers share the sessions: a cache that is true in one process only must not be chosen. */
  readonly webWorkers: () => Promise<number>
  readonly recordAuthEvent: RecordAuthEvent
}

const access: Access = { roles: administrators }
const path = '/api/v1/admin/settings'
const { maintenance, cacheMode, logLevel, limitApi: limit } = runtimeSettingsSchema.shape

const limits = z.strictObject({ api: limit, loginIp: limit, loginAccount: limit })
const builtIn = { maintenance, cacheMode, logLevel, limits }
const limitChanges = z.strictObject({
  api: limit.nullable().optional(),
  loginIp: limit.nullable().optional(),
  loginAccount: limit.nullable().optional(),
})

/** All settings, the application's own under the names that it gave them. */
function viewOf(own: z.ZodObject | undefined) {
  return z
    .strictObject({
      ...ownFields(own),
      ...builtIn,
      overridden: z.array(z.string()).describe('those that differ from the configuration'),
      version: z.int(),
    })
    .meta({ id: 'Settings' })
}

function changesOf(own: z.ZodObject | undefined) {
  const ownChanges = Object.entries(ownFields(own)).map(([name, field]) => [name, field.nullable()])
  return z
    .strictObject({
      ...(Object.fromEntries(ownChanges) as Record<never, never>),
      maintenance: maintenance.nullable(),
      cacheMode: cacheMode.nullable(),
      logLevel: logLevel.nullable(),
      limits: limitChanges,
      confirm: z.literal(true).describe('needed for limits that lock people out for long'),
    })
    .partial()
    .describe('null goes back to the configuration, or to what the application says')
}

/** The state that all workers share, as administrators see and change it. */
export function settingsRoutes(parts: SettingsRouteParts): Route[] {
  const { settings, settingsSchema: own, webWorkers, recordAuthEvent } = parts
  const view = viewOf(own)
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
      body: changesOf(own),
      replies: { 200: { description: 'The settings as they are now', body: view } },
      async handler(ctx, { body: { limits: rules, confirm, ...others } }) {
        if (others.cacheMode === 'memory') requireLoneWorker(await webWorkers())
        const changed = {
          ...withStoredNames(others, own),
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
          changed: named.map(([name]) => ownName(name) ?? name),
        })
        ctx.body = present(after)
      },
    }),
  ]
}

/** Those of the application's own under the names that they have in Redis. */
function withStoredNames<Changes extends object>(changes: Changes, own: z.ZodObject | undefined): Changes {
  const names = Object.keys(own?.shape ?? {})
  const renamed = Object.entries(changes).map(([name, value]) => [
    names.includes(name) ? storedName(name) : name,
    value as unknown,
  ])
  return Object.fromEntries(renamed) as Changes
}

function present({ values, overridden, version }: SettingsView<RuntimeSettings>) {
  const { limitApi, limitLoginIp, limitLoginAccount, ...others } = values
  const names: Readonly<Record<string, string>> = limitSettings
  const named = Object.entries(others).map(([name, value]) => [ownName(name) ?? name, value])
  return {
    ...(Object.fromEntries(named) as typeof others),
    limits: { api: limitApi, loginIp: limitLoginIp, loginAccount: limitLoginAccount },
    // What another release of the application had is not there to be shown.
    overridden: overridden
      .filter((name) => name in values)
      .map((name) => names[name] ?? ownName(name) ?? name),
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
