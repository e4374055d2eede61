/**
 * The configuration of every process, read in one place. `loadConfig` is pure: environment in, a frozen object
 * or every problem at once out. Durations are milliseconds.
 */
import path from 'node:path'
import { firstAdministratorProblem } from '../accounts/first-administrator.ts'
import {
  databaseAddress,
  host,
  mailAddress,
  mailSender,
  mailServer,
  origin,
  origins,
  redisAddress,
} from './addresses.ts'
import { assignmentVariables } from '../process/assignment.ts'
import { createEnvironmentReader, type Environment, type EnvironmentReader } from './environment.ts'
import {
  duration,
  oneOf,
  refuse,
  shownDuration,
  size,
  switchWord,
  wholeNumber,
  type Grammar,
} from './grammar.ts'
import { limitRule } from './limit-rule.ts'
import { readTracing, type TracingConfig } from './tracing.ts'
import { misspelt } from './unknown-variables.ts'
import { durabilities, type Durability } from '../coherence/durability-words.ts'
import { ConfigurationError } from '../kernel/errors.ts'
import { redisIdentities, type RedisIdentity, type RedisTarget } from '../kernel/redis/target.ts'

export { redisIdentities, type RedisIdentity, type RedisTarget } from '../kernel/redis/target.ts'
export { durabilities, type Durability } from '../coherence/durability-words.ts'

export const cacheModes = ['coherent', 'redis', 'memory', 'none'] as const
export type CacheMode = (typeof cacheModes)[number]

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export type DatabaseTarget =
  { readonly kind: 'sqlite'; readonly file: string } | { readonly kind: 'postgres'; readonly url: string }

/** At most `limit` in any window of `windowMs`, or no limit. */
export type LimitRule = { readonly limit: number; readonly windowMs: number } | 'off'

export interface Config {
  readonly production: boolean
  /** What the deployment is called, on pages and in its keys in Redis; null: it has a random name. */
  readonly appName: string | null
  readonly http: {
    readonly host: string
    readonly port: number
    /** Hops of proxy in front of us whose X-Forwarded-For counts. */
    readonly trustProxy: number
    /** Put the worker's id on each response. */
    readonly exposeWorker: boolean
    /** Where people reach us, without a trailing slash: for links in mails. Null: the address we listen on. */
    readonly publicUrl: string | null
    /** Origins of other sites that may call us from a browser. */
    readonly corsOrigins: readonly string[]
  }
  readonly workers: {
    readonly web: number
    readonly jobs: number
    /** Who hands out connections: the primary in turn, or the system to whoever is free. */
    readonly scheduling: 'round-robin' | 'shared'
    /** A worker with more memory is replaced; `share`: than its share of the container's limit; null disables this. */
    readonly maxRssBytes: number | 'share' | null
    /** Whether NODE_OPTIONS says how large heaps may be. */
    readonly heapIsSet: boolean
    /** A worker that is older is replaced. */
    readonly maxAgeMs: number | null
  }
  readonly dataDir: string
  readonly redis: RedisTarget
  /** How many data nodes keep each key, primary and replicas together; null: not declared. */
  readonly redisNodes: number | null
  readonly redisIdentity: RedisIdentity
  /** The server program of the embedded Redis; null: found or fetched. */
  readonly redisServerBin: string | null
  readonly database: DatabaseTarget
  readonly sessions: {
    readonly cache: CacheMode
    readonly idleMs: number
    readonly absoluteMs: number
    readonly rememberAbsoluteMs: number
    readonly maxPerUser: number
    readonly loginRevokes: 'none' | 'others'
    readonly durability: Durability
    readonly leaseMs: number
  }
  /** Where limits are counted; null: where sessions are. */
  readonly limitsRedis: Exclude<RedisTarget, { kind: 'embedded' }> | null
  readonly limits: {
    readonly api: LimitRule
    readonly loginIp: LimitRule
    readonly loginAccount: LimitRule
  }
  /** The first administrator; null: generated. */
  readonly admin: { readonly email: string | null; readonly password: string | null }
  readonly mail: {
    /** smtp:// or smtps:// address; null: mails go to the log and to `dataDir`/mail. */
    readonly url: string | null
    readonly from: string
  }
  readonly metrics: { readonly host: string; readonly port: number } | null
  /** Null: nothing is traced. */
  readonly tracing: TracingConfig | null
  /** Whether people may make accounts for themselves. */
  readonly registration: boolean
  /** How long the audit trail is kept. */
  readonly auditRetentionMs: number
  readonly graceMs: number
  /** What a job that is running gets at a stop or a reload. */
  readonly jobGraceMs: number
  /** How long everything is still served, with /readyz at 503, before a stop of the server begins. */
  readonly drainDelayMs: number
  readonly log: { readonly level: LogLevel }
}

/** What surrounds the process and is not in its environment. */
export interface Facts {
  /** CPUs that we may use: the default number of workers. */
  readonly cpus: number
  /** Whether pm2 forks us in its cluster mode. */
  readonly pm2Cluster: boolean
  /** Where relative paths begin. */
  readonly cwd: string
  /** Variables that the application reads: none of them is unknown, and none may be ours. */
  readonly applicationVariables: readonly string[]
  /** What the application calls itself, where no one says otherwise. */
  readonly applicationName: string | null
}

/** Throws a `ConfigurationError` with every problem when anything is malformed, contradictory or misspelt. */
export function loadConfig(env: Environment, facts: Partial<Facts> = {}): Config {
  const { cpus = 1, pm2Cluster = false, cwd = '.', applicationVariables = [], applicationName = null } = facts
  const problems: string[] = []
  const reader = createEnvironmentReader(env, problems)
  const config = readConfig(reader, { cpus, cwd, applicationName })
  problems.push(...contradictions(config))
  problems.push(...(pm2Cluster ? withoutPrimary(config) : tooManyForMemory(config, reader)))
  problems.push(...claimed(applicationVariables, reader))
  problems.push(...unknown(env, reader, applicationVariables))
  if (problems.length > 0) throw new ConfigurationError(problems)
  return deepFrozen(config)
}

function readConfig(
  reader: EnvironmentReader,
  { cpus, cwd, applicationName }: Pick<Facts, 'cpus' | 'cwd' | 'applicationName'>,
): Config {
  const { read } = reader
  const production = read('NODE_ENV', oneOf(['production', 'development', 'test']), null) === 'production'
  const dataDir = read('DATA_DIR', directory(cwd), path.resolve(cwd, '.lockstep'))
  const trustProxy = read('TRUST_PROXY', wholeNumber(0, 16, 1, ', the hops of proxy in front'), 0)
  const redisIdentity = read('REDIS_IDENTITY', oneOf(redisIdentities), 'script')
  const metricsHost = read('METRICS_HOST', host, '127.0.0.1')
  const metricsPort = read('METRICS_PORT', portOrOff, 'off')
  return {
    production,
    appName: read('APP_NAME', appName, applicationName),
    http: {
      host: read('HOST', host, '127.0.0.1'),
      port: read('PORT', wholeNumber(0, 65_535, 3_000, ' (0 picks a free one)'), 3_000),
      trustProxy,
      exposeWorker: read('EXPOSE_WORKER', switchWord, !production),
      publicUrl: read('PUBLIC_URL', origin, null),
      corsOrigins: read('CORS_ORIGINS', origins, []),
    },
    workers: {
      web: read('WORKERS', wholeNumber(1, 256, 4), Math.min(Math.max(cpus, 1), 256)),
      jobs: read('JOB_WORKERS', wholeNumber(0, 256, 1), 1),
      scheduling: read('SCHEDULING', oneOf(['round-robin', 'shared']), 'round-robin'),
      maxRssBytes: orNull(read('WORKER_MAX_RSS', orOff(size('64M', '1T', '512M')), 'share' as const)),
      heapIsSet: read('NODE_OPTIONS', anyText, '').includes('--max-old-space-size'),
      maxAgeMs: orNull(read('WORKER_MAX_AGE', orOff(duration('1s', '30d', '24h')), 'off')),
    },
    dataDir,
    redis: withIdentity(read('REDIS_URL', redisAddress, { kind: 'embedded' }), redisIdentity),
    redisNodes: read(
      'REDIS_NODES',
      wholeNumber(1, 15, 3, ', primary and replicas of one shard together'),
      null,
    ),
    redisIdentity,
    redisServerBin: read('REDIS_SERVER_BIN', file(cwd), null),
    database: read('DATABASE_URL', databaseAddress(cwd), {
      kind: 'sqlite',
      file: path.join(dataDir, 'accounts.sqlite'),
    }),
    sessions: {
      cache: read('SESSION_CACHE', oneOf(cacheModes), 'coherent'),
      idleMs: read('SESSION_IDLE', sessionTime('30m'), 30 * 60_000),
      absoluteMs: read('SESSION_ABSOLUTE', sessionTime('24h'), 24 * 3_600_000),
      rememberAbsoluteMs: read('REMEMBER_ABSOLUTE', sessionTime('30d'), 30 * 86_400_000),
      maxPerUser: read('MAX_SESSIONS_PER_USER', wholeNumber(1, 100_000, 20), 20),
      loginRevokes: read('LOGIN_REVOKES', oneOf(['none', 'others']), 'none'),
      durability: read('SESSION_DURABILITY', oneOf(durabilities), 'auto'),
      leaseMs: read('LEASE', lease, 1_000),
    },
    limitsRedis: read('LIMITS_REDIS_URL', redisAddress, null),
    limits: {
      api: read('LIMIT_API', limitRule, { limit: 1_000, windowMs: 60_000 }),
      loginIp: read('LIMIT_LOGIN_IP', limitRule, { limit: 50, windowMs: 15 * 60_000 }),
      loginAccount: read('LIMIT_LOGIN_ACCOUNT', limitRule, { limit: 10, windowMs: 15 * 60_000 }),
    },
    admin: {
      email: read('ADMIN_EMAIL', mailAddress, null),
      password: read('ADMIN_PASSWORD', password, null),
    },
    registration: read('REGISTRATION', switchWord, false),
    mail: {
      url: read('MAIL_URL', mailServer, null),
      from: read('MAIL_FROM', mailSender, 'Lockstep <lockstep@localhost>'),
    },
    metrics: metricsPort === 'off' ? null : { host: metricsHost, port: metricsPort },
    tracing: readTracing(reader),
    auditRetentionMs: read('AUDIT_RETENTION', duration('1h', '4000d', '90d'), 90 * 86_400_000),
    graceMs: read('GRACE', duration('100ms', '1h', '15s'), 15_000),
    jobGraceMs: read('JOB_GRACE', duration('100ms', '24h', '30s'), 30_000),
    // Whoever trusts a proxy has a balancer in front, which learns of the stop only when it asks again.
    drainDelayMs: read('DRAIN_DELAY', duration('0s', '10m', '5s'), trustProxy > 0 ? 5_000 : 0),
    log: { level: read('LOG_LEVEL', oneOf(logLevels), 'info') },
  }
}

/** Every connection to that Redis has to know. */
function withIdentity(redis: RedisTarget, identity: RedisIdentity): RedisTarget {
  const told = identity === 'connection' && (redis.kind === 'single' || redis.kind === 'sentinel')
  return told ? { ...redis, identity } : redis
}

const sessionTime = (example: string) => duration('100ms', '400d', example)

// A worker that hangs may go on believing its lease, and the cap on how long is built into the protocol (DM).
const lease = duration(
  '100ms',
  '2s',
  '1s',
  ': it is the longest that a hung worker can delay a logout, which waits for 2s at most',
)

const anyText: Grammar<string> = {
  accepts: 'any text',
  example: '--max-old-space-size=512',
  emptyIsUnset: true,
  parse: (text) => text,
}

const password: Grammar<string> = {
  accepts: 'a password',
  example: 'a long phrase of your own',
  secret: true,
  parse: (text) => text,
}

const orOff = (grammar: Grammar<number>): Grammar<number | 'off'> => ({
  ...grammar,
  accepts: `${grammar.accepts}, or off`,
  parse: (text) => (text === 'off' ? 'off' : grammar.parse(text)),
})

const portOrOff = orOff({ ...wholeNumber(1, 65_535, 9_464), accepts: 'a port from 1 to 65535' })

function orNull<T>(value: T): Exclude<T, 'off'> | null {
  return value === 'off' ? null : (value as Exclude<T, 'off'>)
}

const appName: Grammar<string> = {
  accepts: 'one line of at most 64 characters',
  example: 'shop',
  parse: (text) => (/^(?=.*[\p{L}\p{N}])[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u.test(text) ? text.trim() : refuse()),
}

const directory = (cwd: string): Grammar<string> => ({
  accepts: 'the path of a directory',
  example: '/var/lib/lockstep',
  parse: (text) => path.resolve(cwd, text),
})

const file = (cwd: string): Grammar<string> => ({
  accepts: 'the path of a program',
  example: '/usr/bin/redis-server',
  parse: (text) => path.resolve(cwd, text),
})

/** Values that are well written and cannot work, mostly together. */
function contradictions(config: Config): string[] {
  const problems: string[] = []
  const { idleMs, absoluteMs, rememberAbsoluteMs } = config.sessions
  const limits = { SESSION_ABSOLUTE: absoluteMs, REMEMBER_ABSOLUTE: rememberAbsoluteMs }
  for (const [name, ms] of Object.entries(limits)) {
    if (idleMs <= ms) continue
    problems.push(
      `SESSION_IDLE=${shownDuration(idleMs)} is longer than ${name}=${shownDuration(ms)}, so it would never ` +
        `have an effect. Set SESSION_IDLE to at most ${shownDuration(ms)}, or raise ${name}.`,
    )
  }
  problems.push(...unsupportedDurability(config), ...unsupportedIdentity(config))
  const weak = firstAdministratorProblem(config.admin)
  if (weak !== null) problems.push(weak)
  const { http, metrics } = config
  if (metrics && metrics.port === http.port && metrics.host === http.host) {
    problems.push(
      `METRICS_PORT=${metrics.port} is the PORT of the server itself. Give the metrics another port.`,
    )
  }
  return problems
}

/** What the declarations about Redis rule out by themselves; what Redis says of itself is looked at by the primary. */
function unsupportedDurability({ redis, redisNodes, sessions }: Config): string[] {
  const { durability } = sessions
  if (redis.kind === 'embedded') {
    const own = 'and the embedded Redis is one process, whose file survives its crash'
    return [
      ...(redisNodes === null
        ? []
        : [`REDIS_NODES=${redisNodes} describes an external Redis, ${own}. Set REDIS_URL.`]),
      ...(durability === 'failover' || durability === 'durable'
        ? [
            `SESSION_DURABILITY=${durability} describes an external Redis, ${own}. Set REDIS_URL, or unset it.`,
          ]
        : []),
    ]
  }
  if (durability !== 'failover' || (redisNodes ?? 0) >= 3) return []
  return [
    `SESSION_DURABILITY=failover needs REDIS_NODES of 3 or more, and ${
      redisNodes === null ? 'it is not set' : `REDIS_NODES=${redisNodes}`
    }: a logout is confirmed by more than half of the data nodes, and one of those must be left when another ` +
      'fails. Set REDIS_NODES to the number of data nodes of each shard, or SESSION_DURABILITY=fence.',
  ]
}

function unsupportedIdentity({ redis, redisNodes, redisIdentity, sessions }: Config): string[] {
  if (redisIdentity !== 'connection') return []
  const where =
    redis.kind === 'embedded'
      ? 'the embedded Redis, whose scripts may ask it'
      : redis.kind === 'cluster'
        ? 'redis+cluster://, where each node has its own'
        : sessions.durability === 'failover' || (sessions.durability === 'auto' && (redisNodes ?? 0) >= 3)
          ? 'failover, whose scripts have to ask the node itself (set REDIS_NODES and SESSION_DURABILITY accordingly)'
          : null
  return where === null ? [] : [`REDIS_IDENTITY=connection is not for ${where}. Unset it.`]
}

function tooManyForMemory({ sessions, workers: { web } }: Config, { isSet }: EnvironmentReader): string[] {
  if (sessions.cache !== 'memory' || web === 1) return []
  const which = isSet('WORKERS') ? `WORKERS=${web}` : `WORKERS is not set, so there would be ${web}`
  return [
    `SESSION_CACHE=memory works in one process only, and ${which}: each worker would keep sessions to itself, ` +
      'and a session logged out on worker A would live on in worker B. ' +
      'Set SESSION_CACHE=coherent (the default), or WORKERS=1.',
  ]
}

/** What the primary alone can do, and what only one process can, where pm2 forks any number of workers. */
function withoutPrimary({ redis, sessions, metrics }: Config): string[] {
  const problems: string[] = []
  if (redis.kind === 'embedded') {
    problems.push(
      'REDIS_URL is not set, and under the cluster mode of pm2 no process could own the embedded Redis. ' +
        'Set REDIS_URL, for example REDIS_URL=redis://127.0.0.1:6379, or let pm2 run the primary in fork mode.',
    )
  }
  if (sessions.cache === 'memory') {
    problems.push(
      'SESSION_CACHE=memory works in one process only, and in its cluster mode pm2 may run many: a session ' +
        'logged out in one would live on in another. Set SESSION_CACHE=coherent (the default).',
    )
  }
  if (metrics) {
    problems.push(
      `METRICS_PORT=${metrics.port} is served by the primary, and under the cluster mode of pm2 there is none. ` +
        'Unset METRICS_PORT, or let pm2 run the primary in fork mode.',
    )
  }
  return problems
}

/** What the application calls its own and is ours would mean two things. */
function claimed(names: readonly string[], { asked }: EnvironmentReader): string[] {
  return names
    .filter((name) => asked.has(name) || assignmentVariables.has(name))
    .map((name) => `${name} is a variable of Lockstep: the application must call its own by another name.`)
}

function unknown(env: Environment, { asked }: EnvironmentReader, own: readonly string[]): string[] {
  const names = Object.keys(env).filter(
    (name) => env[name] !== undefined && !assignmentVariables.has(name) && !own.includes(name),
  )
  return misspelt(names, asked).map(({ name, nearest }) =>
    nearest === null
      ? `${name} is not a variable of Lockstep. Unset it.`
      : `${name} is not a variable of Lockstep. Did you mean ${nearest}? Otherwise unset it.`,
  )
}

function deepFrozen<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFrozen(part)
  return Object.freeze(value)
}
