/**
 * The settings that an application declares. In Redis they lie among ours under names with a prefix, so that a release of
 * ours that adds a setting never meets one of theirs; to people and programs they have their own names.
 */
import type { z } from 'zod'

/** Names of ours, inside and as the API has them: no setting of an application may be called so. */
export const reservedSettings = [
  'maintenance',
  'cacheMode',
  'logLevel',
  'limitApi',
  'limitLoginIp',
  'limitLoginAccount',
  'limits',
  'confirm',
  'overridden',
  'version',
] as const

const ownPrefix = 'app.'

export function storedName(name: string): string {
  return `${ownPrefix}${name}`
}

/** Its own name of a setting that is the application's, else null. */
export function ownName(stored: string): string | null {
  return stored.startsWith(ownPrefix) ? stored.slice(ownPrefix.length) : null
}

export function storedNames<Value>(own: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(own).map(([name, value]) => [storedName(name), value]))
}

/** What each setting may be, without the default that stands for one that is not set. */
export function ownFields(own: z.ZodObject | undefined): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(own?.shape ?? {}).map(([name, field]) => [name, withoutDefault(field as z.ZodType)]),
  )
}

/** By what is said of itself and not by its class: the schema may be of another copy of zod. */
function withoutDefault(field: z.ZodType): z.ZodType {
  const { def } = field._zod as unknown as { def: { type: string; innerType?: z.ZodType } }
  const hasDefault = def.type === 'default' || def.type === 'prefault'
  return hasDefault && def.innerType ? withoutDefault(def.innerType) : field
}

/** What is wrong with the settings of an application, by themselves. */
export function ownSettingsProblems(own: z.ZodObject): string[] {
  return [
    ...Object.keys(own.shape)
      .filter((name) => (reservedSettings as readonly string[]).includes(name))
      .map((name) => `settings.${name} is a setting of the server: give yours another name`),
    ...settingsProblems(own),
  ]
}

/** The same for an application with a server of its own, where no names are taken. */
export function settingsProblems(own: z.ZodObject): string[] {
  const names = Object.keys(own.shape)
  return [
    ...names
      .filter((name) => !/^[A-Za-z]\w{0,63}$/.test(name))
      .map(
        (name) => `settings.${name} can't be the name of a setting: a letter, then letters, digits and '_'`,
      ),
    ...names.flatMap((name) => defaultProblem(name, own.shape[name] as z.ZodType)),
  ]
}

/** What is stored is what the schema gave, and is read by it again. */
function defaultProblem(name: string, field: z.ZodType): string[] {
  const first = field.safeParse(undefined)
  if (!first.success || first.data === undefined) return [`settings.${name} has no default`]
  const again = field.safeParse(first.data)
  return again.success ? [] : [`settings.${name} does not accept what it made of its own default`]
}

/** Throws a `TypeError` before anything is asked of Redis: a mistake of the application is no outage. */
export function accept(fields: Readonly<Record<string, z.ZodType>>, name: string, value: unknown): unknown {
  const field = fields[name]
  if (field === undefined) throw new TypeError(`${name} is no setting of the application`)
  if (value === null) return null
  const read = field.safeParse(value)
  if (read.success) return read.data
  throw new TypeError(`the setting ${name}: ${read.error.issues[0]?.message ?? 'is not valid'}`)
}
