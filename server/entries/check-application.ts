/**
 * Everything that is wrong with an application, found without starting anything: its module, its variables together with
 * ours, and what it claims beside the built-in features.
 */
import { pino } from 'pino'
import { configure, variablesOf } from '../../shared/app/app-env.ts'
import type { App } from '../../shared/app/app.ts'
import { brokenness } from '../../shared/app/declare.ts'
import { readApp } from '../../shared/app/load-app.ts'
import { loadConfig } from '../../shared/config/config.ts'
import type { Environment } from '../../shared/config/environment.ts'
import { deploymentKeys, unnamedSpace } from '../../shared/deployment/deployment-keys.ts'
import { ConfigurationError } from '../../shared/kernel/errors.ts'
import { createWebWorker } from '../web/worker.ts'

/** What an application has, by name. */
export interface ApplicationSummary {
  readonly name: string
  readonly variables: readonly string[]
  readonly roles: readonly string[]
  readonly routes: readonly string[]
  readonly pages: readonly string[]
  readonly jobs: readonly string[]
  readonly schedules: readonly string[]
  readonly limits: readonly string[]
  readonly streams: readonly string[]
  readonly sockets: readonly string[]
  readonly mounts: readonly string[]
  readonly features: Readonly<Record<string, boolean>>
}

export interface CheckedApplication {
  /** Null when its module could not be loaded. */
  readonly summary: ApplicationSummary | null
  readonly problems: readonly string[]
}

export interface CheckOptions {
  readonly file: string | undefined
  readonly environment: Environment
  readonly cwd: string
}

export async function checkApplication({
  file,
  environment,
  cwd,
}: CheckOptions): Promise<CheckedApplication> {
  try {
    const { app, file: named } = await readApp(file, cwd)
    const sound = withoutBroken(app)
    const problems = [
      ...app['~lockstep'].problems.map((problem) => `${named}: ${problem}`),
      ...problemsOf(() => configure(app, environment, { cwd })),
      ...problemsOf(() => compose(sound, named)),
    ]
    return { summary: summaryOf(sound), problems }
  } catch (cause) {
    if (!(cause instanceof ConfigurationError)) throw cause
    return { summary: null, problems: cause.problems }
  }
}

function problemsOf(work: () => unknown): readonly string[] {
  try {
    work()
    return []
  } catch (cause) {
    if (cause instanceof ConfigurationError) return cause.problems
    throw cause
  }
}

/** A web worker is composed as it would be, and not started. */
function compose(app: App, file: string): void {
  const config = loadConfig({ REDIS_URL: 'redis://127.0.0.1', WORKERS: '1' })
  const keys = deploymentKeys(unnamedSpace)
  createWebWorker({ app, file, config, keys, slot: 1, log: pino({ level: 'silent' }), onFatal() {} })
}

/** What was told already must not be told again by what trips over it. */
function withoutBroken(app: App): App {
  const lists = ['routes', 'pages', 'jobs', 'schedules', 'limits', 'streams', 'sockets', 'mounts'] as const
  const sound = lists.map((list) => {
    const entries: readonly object[] = Array.isArray(app[list]) ? app[list] : []
    return [list, entries.filter((entry) => brokenness(entry) === null)] as const
  })
  return { ...app, ...Object.fromEntries(sound) }
}

function summaryOf(app: App): ApplicationSummary {
  const ways = (routes: App['routes'] = []) => routes.map(({ method, path }) => `${method} ${path}`)
  const paths = (entries: readonly { readonly path: string }[] = []) => entries.map(({ path }) => path)
  const names = (entries: readonly { readonly name: string }[] = []) => entries.map(({ name }) => name)
  return {
    name: app.name,
    variables: variablesOf(app),
    roles: app.roles ?? [],
    routes: ways(app.routes),
    pages: ways(app.pages),
    jobs: names(app.jobs),
    schedules: (app.schedules ?? []).map(({ definition }) => definition.name),
    limits: names(app.limits),
    streams: paths(app.streams),
    sockets: paths(app.sockets),
    mounts: paths(app.mounts),
    features: app.features,
  }
}
