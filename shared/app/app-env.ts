/** The application's own variables, read together with ours so that all problems are told at once. */
import { loadConfig, type Config, type Facts } from '../config/config.ts'
import type { Environment } from '../config/environment.ts'
import { ConfigurationError } from '../kernel/errors.ts'
import type { Feature } from './feature.ts'

export interface Configured {
  readonly config: Config
  /** As the application's schema reads its variables. */
  readonly env: object
}

/** Throws a `ConfigurationError` with the problems of both. */
export function configure(
  app: Pick<Feature, 'env'> & { readonly name?: string },
  env: Environment,
  facts: Omit<Partial<Facts>, 'applicationVariables' | 'applicationName'> = {},
): Configured {
  const own = readOwn(app, env)
  try {
    const config = loadConfig(env, {
      ...facts,
      applicationVariables: variablesOf(app),
      applicationName: app.name ?? null,
    })
    if (own.problems.length > 0) throw new ConfigurationError([])
    return { config, env: own.values }
  } catch (cause) {
    if (!(cause instanceof ConfigurationError)) throw cause
    throw new ConfigurationError([...cause.problems, ...own.problems])
  }
}

/** The names in the application's schema. */
export function variablesOf({ env }: Pick<Feature, 'env'>): string[] {
  return Object.keys(env?.shape ?? {})
}

/** Never repeats a value: it may be a secret. */
function readOwn(app: Pick<Feature, 'env'>, env: Environment): { values: object; problems: string[] } {
  if (app.env === undefined) return { values: {}, problems: [] }
  const named = Object.fromEntries(variablesOf(app).map((name) => [name, env[name]]))
  const read = app.env.safeParse(named)
  if (read.success) return { values: Object.freeze(read.data), problems: [] }
  const problems = read.error.issues.map(({ path, message }) => {
    const name = path.join('.')
    const isUnset = named[String(path[0])] === undefined
    return `${name} ${isUnset ? 'is not set, and the application needs it' : 'is not accepted by the application'}: ${message}`
  })
  return { values: {}, problems }
}
