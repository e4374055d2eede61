/** The application module: one default export, from which web and job workers are made. */
import type { z } from 'zod'
import type { IdentityProvider } from '../accounts/identity-provider.ts'
import { rolesWith, type BuiltInRole } from '../accounts/roles.ts'
import { messageOf } from '../kernel/errors.ts'
import { isObjectSchema, schemaProblem } from '../kernel/zod-schema.ts'
import { checkPolicyName, termsOf } from '../limits/policy.ts'
import { isUsableName } from '../queues/job.ts'
import type { Environment } from '../config/environment.ts'
import { ownSettingsProblems } from '../settings/own-settings.ts'
import { brokenness } from './declare.ts'
import type { Feature, ServicesCall } from './feature.ts'
import type { AppTypes } from './register.ts'
import { accessProblem, pathProblem } from './route.ts'

/** What `defineApp` makes is understood by servers of the same number; it grows when an older server would misread it. */
export const appVersion = 1

/** The built-in features that an application may leave out. */
export const optionalFeatures = [
  'admin',
  'users',
  'audit',
  'dashboard',
  'docs',
  'jobs',
  'limits',
  'settings',
  'workers',
] as const
export type OptionalFeature = (typeof optionalFeatures)[number]

export interface App<Types extends AppTypes = AppTypes> extends Feature {
  readonly '~lockstep': { readonly version: number; readonly problems: readonly string[] }
  readonly features: Readonly<Partial<Record<OptionalFeature, boolean>>>
  /** Null: no one signs in with a password; the application creates sessions itself. Left out: our accounts. */
  readonly accounts?: IdentityProvider | null
  /** For the compiler alone. */
  readonly types?: Types
}

interface AppDescription<Env, Services, Role extends string, Profile> extends Omit<
  Feature,
  'env' | 'roles' | 'profile' | 'services'
> {
  /** Small letters, digits and hyphens: names the application on pages and in mails, and its keys in Redis. */
  readonly name: string
  readonly env?: Env
  readonly roles?: readonly Role[]
  readonly profile?: Profile
  readonly services?: (call: ServicesCall<Env extends z.ZodType ? z.output<Env> : Environment>) => Services
  readonly accounts?: IdentityProvider | null
  readonly features?: Readonly<Partial<Record<OptionalFeature, boolean>>>
}

/**
 * Checks an application by itself. What is wrong is kept and reported all at once by whoever loads the module, with what
 * turns out wrong beside the server's own routes and jobs.
 */
export function defineApp<
  Env extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Services = object,
  const Role extends string = never,
  Profile extends z.ZodObject = z.ZodObject<Record<never, never>>,
>(
  description: AppDescription<Env, Services, Role, Profile>,
): App<{
  readonly services: Awaited<Services> extends object ? Awaited<Services> : object
  readonly role: Role | BuiltInRole
  readonly profile: z.output<Profile>
}> {
  return Object.freeze({
    ...(description as object as Feature),
    features: description.features ?? {},
    '~lockstep': { version: appVersion, problems: problemsOf(description) },
  })
}

const lists = ['mounts', 'routes', 'jobs', 'schedules', 'limits', 'streams', 'sockets', 'pages'] as const
const known: readonly string[] = [
  'name',
  'env',
  'roles',
  'profile',
  'accounts',
  'services',
  'middleware',
  'settings',
  'hooks',
  'features',
  'stylesheet',
  ...lists,
]
const hookNames: readonly string[] = ['start', 'ready', 'stop', 'signedIn', 'signedOut', 'jobFailed']

type Loose = Readonly<Record<string, unknown>>

function problemsOf(given: unknown): string[] {
  if (!isObject(given)) return ['defineApp takes an object']
  return [
    ...(isUsableName(given['name']) ? [] : ['name: small letters, digits and hyphens, at most 64']),
    ...unknownKeys('', given, known),
    ...schemaProblems(given),
    ...shapeProblems(given),
    ...accountsProblems(given['accounts']),
    ...stylesheetProblems(given['stylesheet']),
    ...lists.flatMap((list) => listProblems(list, given[list])),
  ]
}

function schemaProblems(given: Loose): string[] {
  return ['env', 'profile', 'settings'].flatMap((name) => {
    const schema = given[name]
    if (schema === undefined) return []
    const wrong = schemaProblem(schema)
    if (wrong !== null) return [`${name} ${wrong}`]
    if (!isObjectSchema(schema)) return [`${name} must be a z.object`]
    return name === 'settings' ? ownSettingsProblems(schema as z.ZodObject) : []
  })
}

function shapeProblems({
  services,
  middleware = {},
  hooks = {},
  features = {},
  roles = [],
}: Loose): string[] {
  const problems: string[] = []
  if (services !== undefined && typeof services !== 'function') problems.push('services must be a function')
  problems.push(...rolesProblems(roles))
  problems.push(...functionsIn('middleware', middleware, ['outer', 'identified'], isListOfFunctions))
  problems.push(...functionsIn('hooks', hooks, hookNames, (hook) => typeof hook === 'function'))
  problems.push(...functionsIn('features', features, optionalFeatures, (on) => typeof on === 'boolean'))
  return problems
}

function rolesProblems(roles: unknown): string[] {
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string')) {
    return ['roles must be a list of names']
  }
  try {
    rolesWith(roles)
    return []
  } catch (cause) {
    return [`roles: ${messageOf(cause)}`]
  }
}

function accountsProblems(accounts: unknown): string[] {
  if (accounts === undefined || accounts === null) return []
  const { identify, verify } = accounts as Loose
  const works = typeof identify === 'function' && typeof verify === 'function'
  return works ? [] : ['accounts must be null or have identify and verify']
}

function stylesheetProblems(path: unknown): string[] {
  if (path === undefined) return []
  const wrong = pathProblem(path)
  return wrong === null ? [] : [`stylesheet: ${wrong}`]
}

function functionsIn(
  name: string,
  given: unknown,
  names: readonly string[],
  accepts: (value: unknown) => boolean,
): string[] {
  if (!isObject(given)) return [`${name} must be an object`]
  const wrong = names.filter((each) => given[each] !== undefined && !accepts(given[each]))
  return [
    ...unknownKeys(`${name}.`, given, names),
    ...wrong.map((each) => `${name}.${each} is not what it should be`),
  ]
}

function isListOfFunctions(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'function')
}

function unknownKeys(prefix: string, given: Loose, names: readonly string[]): string[] {
  return Object.keys(given)
    .filter((key) => !names.includes(key))
    .map((key) => `${prefix}${key} is not known here: there are ${names.join(', ')}`)
}

function listProblems(list: (typeof lists)[number], entries: unknown): string[] {
  if (entries === undefined) return []
  if (!Array.isArray(entries)) return [`${list} must be a list`]
  return entries.flatMap((entry: unknown, index) => {
    const broken = brokenness(entry)
    if (broken !== null) return [broken]
    const wrong = isObject(entry) ? entryProblem(list, entry) : 'is not one'
    return wrong === null ? [] : [`${list}[${index}]: ${wrong}`]
  })
}

/** What is wrong with an entry that its own `define…` did not check. */
function entryProblem(list: (typeof lists)[number], entry: Loose): string | null {
  switch (list) {
    case 'limits':
      return limitProblem(entry)
    case 'mounts':
      return pathProblem(entry['path']) ?? accessProblem(entry['access']) ?? koaProblem(entry['koa'])
    case 'jobs':
      return 'work' in entry ? null : 'use defineJob'
    case 'schedules':
      return 'definition' in entry ? null : 'use defineSchedule'
    case 'streams':
    case 'sockets':
      return typeof entry['open'] === 'function' ? null : 'it has no function open'
    default:
      return typeof entry['handler'] === 'function' && 'bodyOptional' in entry ? null : 'use defineRoute'
  }
}

function koaProblem(koa: unknown): string | null {
  const { middleware, context } = (koa ?? {}) as { middleware?: unknown; context?: unknown }
  return Array.isArray(middleware) && isObject(context) ? null : 'koa is not a Koa application'
}

function limitProblem({ name, rule, onOutage, onDataLoss }: Loose): string | null {
  try {
    checkPolicyName(String(name))
    if (typeof rule !== 'function') termsOf(rule as Parameters<typeof termsOf>[0])
  } catch (cause) {
    return messageOf(cause)
  }
  if (onOutage !== 'closed' && onOutage !== 'open' && onOutage !== 'share') {
    return "onOutage is 'closed', 'open' or 'share'"
  }
  return onDataLoss === 'quarantine' || onDataLoss === 'trust'
    ? null
    : "onDataLoss is 'quarantine' or 'trust'"
}

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null
}
