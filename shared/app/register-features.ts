/**
 * Registers features, the built-in ones and the application, by one call: in web workers and in job workers, and where an
 * application is checked without starting it. What two of them both claim is a problem, told by the name of the entry;
 * all problems are told at once.
 */
import { ConfigurationError } from '../kernel/errors.ts'
import type { LimitPolicy } from '../limits/policy.ts'
import type { AnyJob } from '../queues/job.ts'
import type { Schedule } from '../queues/schedule.ts'
import type { App, OptionalFeature } from './app.ts'
import type { Feature, Hooks, Middleware, Mount } from './feature.ts'
import type { Parts } from './parts.ts'
import type { Access, Route } from './route.ts'
import type { Socket, Stream } from './stream.ts'

/** A feature and what its handlers work with. */
export interface Registration {
  readonly feature: Feature
  readonly parts: Parts
}

type Entry = Route | AnyJob | Stream | Socket

export interface RegisteredFeatures {
  /** Pages too. */
  readonly routes: readonly Route[]
  /** The routes that programs call: without pages, and what pages are made with. */
  readonly documented: readonly Route[]
  readonly jobs: readonly AnyJob[]
  readonly schedules: readonly Schedule[]
  readonly limits: readonly LimitPolicy[]
  readonly streams: readonly Stream[]
  readonly sockets: readonly Socket[]
  readonly mounts: readonly Mount[]
  readonly outer: readonly Middleware[]
  readonly identified: readonly Middleware[]
  readonly roles: readonly string[]
  /** The last one that a feature names. */
  readonly stylesheet: string | null
  /** What the handler of a route, a page, a stream or a socket, or a job, works with. */
  partsOf(entry: Entry): Parts
  /** The name of the feature that it belongs to. */
  featureOf(entry: Entry): string
  /** Calls this hook of every feature, one after the other. */
  each<Hook extends keyof Hooks>(
    hook: Hook,
    call: (hook: NonNullable<Hooks[Hook]>, parts: Parts) => unknown,
  ): Promise<void>
  /** Everything that the features contradict each other in. */
  readonly problems: readonly string[]
}

export function registerFeatures(registrations: readonly Registration[]): RegisteredFeatures {
  const features = registrations.map(({ feature }) => feature)
  const owners = new Map<Entry, Registration>()
  for (const registration of registrations) {
    for (const entry of entriesOf(registration.feature)) owners.set(entry, registration)
  }

  function ownerOf(entry: Entry): Registration {
    const owner = owners.get(entry)
    if (owner === undefined) throw new Error('this belongs to no feature that was registered')
    return owner
  }

  const all = {
    routes: features.flatMap(routesOf),
    documented: features.flatMap(({ routes = [] }) => routes).filter(({ page }) => !page),
    jobs: features.flatMap(({ jobs = [] }) => jobs),
    schedules: features.flatMap(({ schedules = [] }) => schedules),
    limits: features.flatMap(({ limits = [] }) => limits),
    streams: features.flatMap(({ streams = [] }) => streams),
    sockets: features.flatMap(({ sockets = [] }) => sockets),
    mounts: features.flatMap(({ mounts = [] }) => mounts),
    outer: features.flatMap(({ middleware }) => middleware?.outer ?? []),
    identified: features.flatMap(({ middleware }) => middleware?.identified ?? []),
    roles: [...new Set(features.flatMap(({ roles = [] }) => roles))],
  }
  return {
    ...all,
    stylesheet: features.findLast(({ stylesheet }) => stylesheet)?.stylesheet ?? null,
    partsOf: (entry) => ownerOf(entry).parts,
    featureOf: (entry) => ownerOf(entry).feature.name,
    async each(name, call) {
      for (const { feature, parts } of registrations) {
        const hook = feature.hooks?.[name]
        if (hook !== undefined) await call(hook, parts)
      }
    },
    problems: problemsAmong(all),
  }
}

/** Of entries of one name the first, so that a worker can be composed whose contradictions are told afterwards. */
export function firstByName<Entry extends { readonly name: string }>(entries: readonly Entry[]): Entry[] {
  return [...new Map(entries.toReversed().map((entry) => [entry.name, entry])).values()].reverse()
}

/** The built-in features that the application does not leave out. */
export function leftIn<F extends Pick<Feature, 'name'>>(
  features: readonly F[],
  app: Pick<App, 'features'>,
): F[] {
  return features.filter(({ name }) => app.features[name as OptionalFeature] !== false)
}

/** Throws a `ConfigurationError` with everything that the features contradict each other in. */
export function refuseContradictions(
  { problems }: Pick<RegisteredFeatures, 'problems'>,
  where: string,
  more: readonly string[] = [],
): void {
  const all = [...problems, ...more]
  if (all.length > 0) throw new ConfigurationError(all.map((problem) => `${where}: ${problem}`))
}

function routesOf({ routes = [], pages = [] }: Feature): readonly Route[] {
  return [...routes, ...pages]
}

function entriesOf(feature: Feature): Entry[] {
  const { jobs = [], streams = [], sockets = [] } = feature
  return [...routesOf(feature), ...jobs, ...streams, ...sockets]
}

type Lists = Pick<
  RegisteredFeatures,
  'routes' | 'jobs' | 'schedules' | 'limits' | 'streams' | 'sockets' | 'mounts' | 'roles'
>

function problemsAmong(lists: Lists): string[] {
  const { jobs, schedules, limits, roles } = lists
  return [
    ...twice(
      'the job',
      jobs.map(({ name }) => name),
    ),
    ...twice(
      'the schedule',
      schedules.map(({ definition }) => definition.name),
    ),
    ...twice(
      'the limit',
      limits.map(({ name }) => name),
    ),
    ...schedules.flatMap(({ definition: { name, job } }) =>
      jobs.some((known) => known.name === job)
        ? []
        : [`the schedule ${name} asks for ${job}, which is no job here`],
    ),
    ...jobs.flatMap(({ name, enqueue }) =>
      Array.isArray(enqueue) ? unknownRoles(`the job ${name}`, { roles: enqueue as never }, roles) : [],
    ),
    ...guarded(lists).flatMap(({ what, access, limits: charged = [] }) => [
      ...unknownRoles(what, access, roles),
      ...charged
        .filter((name) => !limits.some((known) => known.name === name))
        .map((name) => `${what} is charged to ${name}, which is no limit: there are ${namesOf(limits)}`),
    ]),
  ]
}

/** Everything that says who may have it. */
function guarded({ routes, streams, sockets, mounts }: Lists) {
  return [
    ...routes.map((route) => ({ ...route, what: `${route.method} ${route.path}` })),
    ...streams.map((stream) => ({ ...stream, what: `the stream ${stream.path}` })),
    ...sockets.map((socket) => ({ ...socket, what: `the socket ${socket.path}` })),
    ...mounts.map((mount) => ({ ...mount, what: `the mount ${mount.path}` })),
  ] satisfies { what: string; access: Access; limits?: readonly string[] }[]
}

function unknownRoles(what: string, access: Access, known: readonly string[]): string[] {
  if (typeof access === 'string') return []
  return access.roles
    .filter((role) => !known.includes(role))
    .map((role) => `${what} is for the role ${role}, which there is not: there are ${known.join(', ')}`)
}

function twice(what: string, names: readonly string[]): string[] {
  const repeated = names.filter((name, index) => names.indexOf(name) !== index)
  return [...new Set(repeated)].map((name) => `${what} ${name} is declared twice`)
}

function namesOf(limits: readonly LimitPolicy[]): string {
  return limits.map(({ name }) => name).join(', ')
}
