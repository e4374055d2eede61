import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigurationError } from '../../../shared/kernel/errors.ts'
import { mostWorkers } from '../../../shared/process/control-request.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { availableCpus } from '../boot/available-cpus.ts'

export interface ClusterOptions {
  /** The program that each web worker runs, and that calls `joinCluster`; a path is looked for from the working directory. */
  readonly web: string | URL
  /** How many web workers. Default: the CPUs that this process may use. */
  readonly workers?: number
  /** The program of workers that do no HTTP, which calls `joinCluster`, too. Default: there are none. */
  readonly jobs?: string | URL
  /** How many of those. Default 1. */
  readonly jobWorkers?: number
  /** For all workers, beside the environment of this process; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The longest that a worker may take to finish what is under way. Default 15 s. */
  readonly graceMs?: number
  /** How long workers go on serving after balancers were told of a stop (`onStopAhead`). Default 0. */
  readonly drainDelayMs?: number
  /** The longest that a worker may take until it is ready. Default 30 s. */
  readonly bootTimeoutMs?: number
  /** The longest silence of a worker before it is killed and replaced. Default 10 s, at least 2 s. */
  readonly hungAfterMs?: number
  /** A worker with more memory than this is replaced, one at a time. Default: never. */
  readonly maxRssBytes?: number
  /** A worker that is older than this is replaced, one at a time. Default: never. */
  readonly maxAgeMs?: number
  /** Who hands out connections: this process in turn (the default), or the system to whoever is free. */
  readonly scheduling?: 'round-robin' | 'shared'
  /** `false`: this process has signals and an end of its own, and calls `reload` and `stop` itself. Default true. */
  readonly signals?: boolean
  /** A pino logger, or one like it. Default: JSON on standard output, lines for people on a terminal. */
  readonly log?: Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>
}

/** The options, checked, with the files found. */
export interface CheckedOptions extends Omit<ClusterOptions, 'web' | 'jobs'> {
  readonly web: string
  readonly workers: number
  readonly jobs: string | null
  readonly jobWorkers: number
}

type Check = (value: unknown) => string | null

const workerCount = wholeFrom(1, mostWorkers)
const duration = wholeFrom(0, 2 ** 31 - 1)

const checks: { readonly [Name in keyof Required<ClusterOptions>]: Check } = {
  web: () => null,
  workers: workerCount,
  jobs: () => null,
  jobWorkers: workerCount,
  env: (value) => (typeof value === 'object' && value !== null ? null : 'must be an object'),
  graceMs: duration,
  drainDelayMs: duration,
  bootTimeoutMs: wholeFrom(100, 2 ** 31 - 1),
  // A worker tells once a second that it lives.
  hungAfterMs: wholeFrom(2_000, 2 ** 31 - 1),
  maxRssBytes: wholeFrom(1, Number.MAX_SAFE_INTEGER),
  maxAgeMs: wholeFrom(1_000, Number.MAX_SAFE_INTEGER),
  scheduling: (value) =>
    value === 'round-robin' || value === 'shared' ? null : "must be 'round-robin' or 'shared'",
  signals: (value) => (typeof value === 'boolean' ? null : 'must be true or false'),
  log: (value) =>
    typeof (value as { info?: unknown } | null)?.info === 'function' ? null : 'must be a logger such as pino',
}

/** Throws a `ConfigurationError` with everything that is wrong. */
export function checkOptions(options: ClusterOptions): CheckedOptions {
  const problems: string[] = []
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) {
    const check = Object.hasOwn(checks, name) ? checks[name as keyof ClusterOptions] : null
    const problem = check === null ? 'is no option of startCluster' : check(value)
    if (problem !== null) problems.push(`${name} ${problem}`)
  }
  const web = findProgram('web', options?.web, problems)
  const jobs = options?.jobs === undefined ? null : findProgram('jobs', options.jobs, problems)
  if (options?.jobWorkers !== undefined && options.jobs === undefined) {
    problems.push('jobWorkers is given, but not the program that they run: set jobs')
  }
  if (problems.length > 0) throw new ConfigurationError(problems)
  return {
    ...options,
    web,
    workers: options.workers ?? availableCpus(),
    jobs,
    jobWorkers: options.jobWorkers ?? 1,
  }
}

function findProgram(name: 'web' | 'jobs', value: unknown, problems: string[]): string {
  const file = fileOf(value)
  if (file === null) {
    problems.push(`${name} must be the file that a worker runs, such as ${name}: './server.js'`)
    return ''
  }
  if (!existsSync(file) || !statSync(file).isFile()) problems.push(`${name}: there is no file ${file}`)
  return file
}

/** Found anew at each fork, so that a link to the current release may be moved before a reload. */
function fileOf(value: unknown): string | null {
  if (value instanceof URL) return value.protocol === 'file:' ? fileURLToPath(value) : null
  if (typeof value !== 'string' || value === '') return null
  return value.startsWith('file:') ? fileURLToPath(value) : path.resolve(value)
}

function wholeFrom(least: number, most: number): Check {
  return (value) =>
    Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most
      ? null
      : `must be a whole number from ${least} to ${most}, not ${String(value)}`
}
