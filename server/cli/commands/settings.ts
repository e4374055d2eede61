import type { z } from 'zod'
import { listed } from '../../../shared/config/grammar.ts'
import type { SettingsView } from '../../../shared/settings/settings.ts'
import { limitSettings, needConfirmation } from '../../web/features/settings/limit-floor.ts'
import { ownFields, ownName, storedName } from '../../../shared/settings/own-settings.ts'
import { runtimeSettingsSchema, type RuntimeSettings } from '../../../shared/settings/runtime-settings.ts'
import { askServer, ServerNotRunning } from '../ask-server.ts'
import { CommandFailed, UsageError, whereOthersAre, type Command, type CommandCall } from '../command.ts'
import { table } from '../output.ts'
import { readArguments } from '../read-arguments.ts'
import type { Stores } from '../stores.ts'

/** Ours, or that of an application's as it lies in Redis. */
type Name = keyof RuntimeSettings
type Changes = { [N in Name]?: RuntimeSettings[N] | null }

/** By the names that they have over HTTP. */
const builtIn = new Map<string, Name>(
  (Object.keys(runtimeSettingsSchema.shape) as Name[]).map((name) => [shownName(name), name]),
)

/** With those of the application. */
function namesOf({ app }: CommandCall): ReadonlyMap<string, Name> {
  const own = Object.keys(app?.settings?.shape ?? {})
  return new Map([...builtIn, ...own.map((name) => [name, storedName(name) as Name] as const)])
}

export const settings: Command = {
  name: 'settings',
  usages: ['settings show', 'settings set NAME VALUE [--confirm yes]', 'settings reset [NAME]'],
  summary:
    `Shows the settings that all workers follow, changes one, or goes back to the configuration's: ` +
    `${listed([...builtIn.keys()], 'and')}; with --app FILE those of the application, too. Works without a running server.`,
  async run(call) {
    const [action = '', ...args] = call.args
    if (!isAction(action)) throw new UsageError(`say what to do: ${listed(Object.keys(actions))}`)
    await actions[action]({ ...call, args })
  },
}

const actions = { show, set, reset }

function isAction(text: string): text is keyof typeof actions {
  return Object.hasOwn(actions, text)
}

async function show(call: CommandCall): Promise<void> {
  readArguments(call.args, {})
  await withStores(call, async (stores) => tell(call, (await stores.settings()).current()))
}

async function set(call: CommandCall): Promise<void> {
  const options = { confirm: { type: 'string' } } as const
  const { values, positionals } = readArguments(call.args, options, { required: ['NAME', 'VALUE'] })
  const [typedName = '', text = ''] = positionals
  const name = nameOf(call, typedName)
  const changes = { [name]: valueOf(call, name, text) } as Changes
  const [objection] = needConfirmation(changes)
  if (objection && values.confirm !== 'yes') {
    throw new CommandFailed(
      `${objection.field}=${text} ${objection.message}: add --confirm yes to set it all the same`,
      'not-confirmed',
    )
  }
  await withStores(call, async (stores) => {
    if (changes.cacheMode === 'memory') await requireLoneWorker(call)
    await change(call, stores, changes)
  })
}

async function reset(call: CommandCall): Promise<void> {
  const { positionals } = readArguments(call.args, {}, { optional: ['NAME'] })
  const [typedName] = positionals
  const wanted = typedName === undefined ? [...namesOf(call).values()] : [nameOf(call, typedName)]
  await withStores(call, (stores) =>
    change(call, stores, Object.fromEntries(wanted.map((name) => [name, null])) as Changes),
  )
}

async function change(call: CommandCall, stores: Stores, changes: Changes): Promise<void> {
  const after = await (await stores.settings()).change(changes)
  await stores.note('settings-changed', 'settings', {
    changed: Object.keys(changes).map((name) => ownName(name) ?? name),
  })
  tell(call, after)
}

function tell(call: CommandCall, { values, overridden, version }: SettingsView<RuntimeSettings>): void {
  const { output } = call
  const shown = [...namesOf(call)].map(([shownName, name]) => ({
    name: shownName,
    value: values[name],
    overridden: overridden.includes(name),
  }))
  const rows = shown.map(({ name, value, overridden }) => [
    name,
    String(value),
    overridden ? 'changed here' : 'as configured',
  ])
  const object = Object.fromEntries(shown.map(({ name, value }) => [name, value]))
  output.result(
    { settings: object, overridden: overridden.filter((name) => name in values).map(shownName), version },
    table(['SETTING', 'VALUE', ''], rows),
  )
}

function shownName(name: Name): string {
  return (limitSettings as Readonly<Record<string, string>>)[name] ?? ownName(name) ?? name
}

function nameOf(call: CommandCall, typed: string): Name {
  const names = namesOf(call)
  const name = names.get(typed)
  if (name !== undefined) return name
  throw new UsageError(
    `there is no setting ${JSON.stringify(typed)}: ${listed([...names.keys()], 'and')}${whereOthersAre(call)}`,
  )
}

function valueOf(call: CommandCall, name: Name, text: string): unknown {
  const own = ownFields(call.app?.settings ?? undefined)[ownName(name) ?? '']
  return own === undefined ? builtInValue(name, text) : ownValue(own, { name: shownName(name), text })
}

/** The text as it is where the application takes one, else what it says as JSON (or as on and off). */
function ownValue(
  schema: z.ZodType,
  { name, text }: { readonly name: string; readonly text: string },
): unknown {
  const asTyped = schema.safeParse(text)
  if (asTyped.success) return asTyped.data
  const read = schema.safeParse(asJson(text))
  if (read.success) return read.data
  throw new UsageError(`${name}: ${read.error.issues[0]?.message ?? 'is not valid'}`)
}

function asJson(text: string): unknown {
  if (text === 'on' || text === 'off') return text === 'on'
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function builtInValue(name: Name, text: string): RuntimeSettings[Name] {
  const switched = { on: true, true: true, off: false, false: false }[text]
  const schema = runtimeSettingsSchema.shape[name]
  const parsed = schema.safeParse(name === 'maintenance' ? (switched ?? text) : text)
  if (parsed.success) return parsed.data
  const message = name === 'maintenance' ? 'must be on or off' : parsed.error.issues[0]?.message
  throw new UsageError(`${shownName(name)}: ${message ?? 'is not valid'}`)
}

/** A cache that is true in one process only must not be chosen for several. */
async function requireLoneWorker({ config }: CommandCall): Promise<void> {
  const { dataDir, workers } = config()
  const count = await askServer(dataDir, { command: 'status' }).then(
    ({ workers }) => workers.filter(({ kind }) => kind === 'web').length,
    (cause: unknown) => {
      if (cause instanceof ServerNotRunning) return workers.web
      throw cause
    },
  )
  if (count < 2) return
  throw new CommandFailed(
    `cacheMode=memory is right for one web worker only, and here are ${count}: a session logged out on worker A would ` +
      'live on in worker B',
    'not-allowed',
  )
}

/** Opening the stores takes many modules, which the other commands and mistakes need not wait for. */
async function withStores(call: CommandCall, work: (stores: Stores) => Promise<void>): Promise<void> {
  const stores = await import('../stores.ts')
  await stores.withStores(call.config(), work, call)
}
