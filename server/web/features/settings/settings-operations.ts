/** What administrators do with the settings, whether a program or a page asks. */
import type { z } from 'zod'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import { invalidFields } from '../../../../shared/app/problem.ts'
import { ownName, storedName } from '../../../../shared/settings/own-settings.ts'
import type { RuntimeSettings } from '../../../../shared/settings/runtime-settings.ts'
import type { Settings, SettingsView } from '../../../../shared/settings/settings.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { limitSettings, needConfirmation } from './limit-floor.ts'

export interface SettingsOperationParts {
  readonly settings: Settings<RuntimeSettings>
  /** The application's own among them. */
  readonly settingsSchema?: z.ZodObject
  /** How many web workers share the sessions: a cache that is true in one process only must not be chosen. */
  readonly webWorkers: () => Promise<number>
  readonly recordAuthEvent: RecordAuthEvent
}

type Limit = string | null | undefined

/** By the names that they have over HTTP; null goes back to the configuration. */
export interface SettingsChanges extends Pick<
  { readonly [Name in keyof RuntimeSettings]?: RuntimeSettings[Name] | null | undefined },
  'maintenance' | 'cacheMode' | 'logLevel'
> {
  readonly limits?:
    { readonly api?: Limit; readonly loginIp?: Limit; readonly loginAccount?: Limit } | undefined
  /** Needed for limits that lock people out for long. */
  readonly confirm?: true | undefined
}

export type PresentedSettings = ReturnType<typeof present>
export type SettingsOperations = ReturnType<typeof createSettingsOperations>

export function createSettingsOperations(parts: SettingsOperationParts) {
  const { settings, settingsSchema: own, webWorkers, recordAuthEvent } = parts
  return {
    view: () => present(settings.current()),
    /** Why these changes need `confirm`, by field. */
    toConfirm: ({ limits }: SettingsChanges) => needConfirmation(storedLimits(limits)),
    /** Every worker follows them when this resolves; nothing is written where nothing is named. */
    async change(ctx: AppContext, changes: SettingsChanges) {
      const { limits: rules, confirm, ...others } = changes
      if (others.cacheMode === 'memory') requireLoneWorker(await webWorkers())
      const changed = {
        ...withStoredNames(others, own),
        ...storedLimits(rules),
      }
      if (!confirm) requireNothingToConfirm(changed)
      const named = Object.entries(changed).filter(([, value]) => value !== undefined)
      if (named.length === 0) return present(settings.current())
      const after = await settings.change(Object.fromEntries(named))
      recordAuthEvent(ctx, 'settings-changed', {
        user: requireIdentity(ctx).identity.user.id,
        changed: named.map(([name]) => ownName(name) ?? name),
      })
      return present(after)
    },
  }
}

function storedLimits(rules: SettingsChanges['limits']) {
  return {
    limitApi: rules?.api,
    limitLoginIp: rules?.loginIp,
    limitLoginAccount: rules?.loginAccount,
  }
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
