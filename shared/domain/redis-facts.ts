/** What is found out about Redis before anything depends on it. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { ConfigurationError, messageOf } from '../kernel/errors.ts'
import { deadlineIn, remaining } from '../kernel/lifecycle.ts'
import { variables, type Wording } from './wording.ts'
import { isSupported, supportedVersions, type ServerVersion } from './server-version.ts'

export interface RedisFacts {
  readonly server: ServerVersion
  /** Null when Redis won't tell. */
  readonly evictionPolicy: string | null
  readonly isReplica: boolean
  /** Whether a write that was acknowledged is on the disk; null when Redis won't tell. */
  readonly syncsEveryWrite: boolean | null
  /** How many replicas are connected to it, each of which may be promoted. */
  readonly replicas: number
  /** It is a node of a Redis Cluster, whatever REDIS_URL calls it. */
  readonly clustered: boolean
}

/** Redis does not answer: nothing is wrong with what we were told, so it may be worth trying again. */
export class RedisUnreachable extends Error {
  constructor(place: string, cause: unknown, { correct } = variables) {
    super(`Redis at ${place} does not answer (${messageOf(cause)}). Start it, ${correct}.`, { cause })
    this.name = 'RedisUnreachable'
  }
}

export interface AskRedisOptions {
  /** The address as it may be shown. */
  readonly place: string
  /** What the connection complained about last. */
  lastError(): Error | null
  /** Redis may be on its way up, or be loading its data. */
  readonly patienceMs: number
  readonly wording?: Wording
}

export async function askRedis(redis: Redis, options: AskRedisOptions): Promise<RedisFacts> {
  const info = parseInfo(await patiently(redis, () => redis.info(), options))
  const product = info.has('valkey_version') ? 'valkey' : 'redis'
  const appendOnly = info.get('aof_enabled') === '1'
  return {
    server: { product, version: info.get(`${product}_version`) ?? 'unknown' },
    evictionPolicy: info.get('maxmemory_policy') ?? null,
    isReplica: info.get('role') === 'slave',
    syncsEveryWrite: appendOnly ? await syncsAlways(redis) : false,
    replicas: Number(info.get('connected_slaves') ?? 0),
    clustered: info.get('cluster_enabled') === '1',
  }
}

async function patiently<T>(
  redis: Redis,
  ask: () => Promise<T>,
  { place, lastError, patienceMs, wording = variables }: AskRedisOptions,
): Promise<T> {
  const deadline = deadlineIn(patienceMs)
  for (;;) {
    try {
      return await ask()
    } catch (failure) {
      const cause = lastError() ?? failure
      const refusal = refusalOf(cause) ?? refusalOf(failure)
      if (refusal) throw new ConfigurationError([`${wording.redis(place)} is refused by Redis: ${refusal}`])
      if (remaining(deadline) === 0 || redis.status === 'end')
        throw new RedisUnreachable(place, cause, wording)
      await pause(100)
    }
  }
}

/** What waiting will not mend, and the way out. */
function refusalOf(cause: unknown): string | null {
  const message = cause instanceof Error ? cause.message : ''
  if (/sentinels are unreachable.*\b(NOAUTH|WRONGPASS)\b/i.test(message)) {
    return 'the Sentinels want another password. Put the right sentinelPassword (and sentinelUser) into it.'
  }
  if (/^(NOAUTH|WRONGPASS)|invalid password|without any password configured/i.test(message)) {
    return `${message} Put the right user and password into it.`
  }
  if (message.startsWith('NOPERM'))
    return `${message}. Give the user the commands that it needs (+@all on its keys).`
  if (/DB index/.test(message)) return `${message}. Name a database that exists, such as /0.`
  return null
}

/** Managed services often forbid CONFIG, by ACL or by renaming it. */
async function syncsAlways(redis: Redis): Promise<boolean | null> {
  try {
    const [, policy] = (await redis.config('GET', 'appendfsync')) as string[]
    return policy === 'always'
  } catch {
    return null
  }
}

function parseInfo(text: string): Map<string, string> {
  return new Map(
    text.split(/\r?\n/).flatMap((line): [string, string][] => {
      const colon = line.indexOf(':')
      return colon < 1 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]]
    }),
  )
}

/** Why sessions cannot be kept safely there, each with the way out; empty: they can. */
export function redisProblems(
  { server, evictionPolicy, isReplica }: RedisFacts,
  place: string,
  { redis, otherwise } = variables,
): string[] {
  const problems: string[] = []
  if (!isSupported(server)) {
    problems.push(
      `${redis(place)} is ${server.product} ${server.version}, but ${supportedVersions} or later is needed: ` +
        `older ones refuse a logout when their memory is full. Upgrade it${otherwise}.`,
    )
  }
  if (evictionPolicy !== null && evictionPolicy !== 'noeviction') {
    problems.push(
      `${redis(place)} has maxmemory-policy ${evictionPolicy}: it would silently throw away sessions, or the ` +
        'record of a logout, when memory is short. Run CONFIG SET maxmemory-policy noeviction there, and put it ' +
        'into its configuration file.',
    )
  }
  if (isReplica) {
    problems.push(`${redis(place)} is a read-only replica. Name the primary, or use redis+sentinel://.`)
  }
  return problems
}
