import { z } from 'zod'
import { administrators } from '../../../../shared/accounts/roles.ts'
import { defineRoute, type Access, type Route } from '../../../../shared/app/route.ts'
import { undoPolicy } from '../../../../shared/limits/open-limits.ts'
import { ownFields } from '../../../../shared/settings/own-settings.ts'
import { runtimeSettingsSchema } from '../../../../shared/settings/runtime-settings.ts'
import { createSettingsOperations, type SettingsOperationParts } from './settings-operations.ts'

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
export function settingsRoutes(parts: SettingsOperationParts): Route[] {
  const { settingsSchema: own } = parts
  const settings = createSettingsOperations(parts)
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
        ctx.body = settings.view()
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
      async handler(ctx, { body }) {
        ctx.body = await settings.change(ctx, body)
      },
    }),
  ]
}
