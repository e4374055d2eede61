/** What the primary finds out about Redis before it lets workers depend on it. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { DurabilityMode } from '../../../shared/sessions/scripts.ts'
import type { Durability } from '../../../shared/config/config.ts'
import { ConfigurationError, messageOf } from '../../../shared/kernel/errors.ts'
import { deadlineIn, remaining } from '../../../shared/kernel/lifecycle.ts'
import { isSupported, supportedVersions, type ServerVersion } from '../embedded-redis/server-version.ts'

export interface RedisFacts {
  readonly server: ServerVersion
  /** Null when Redis won't tell. */
  readonly evictionPolicy: string | null
  readonly isReplica: boolean
  /** Whether a write that was acknowledged is on the disk; null when Redis won't tell. */
  readonly syncsEveryWrite: boolean | null
}

/** Redis does not answer: nothing is wrong with what we were told, so it may be worth trying again. */
export class RedisUnreachable extends Error {
  constructor(place: string, cause: unknown) {
    super(
      `Redis at ${place} does not answer (${messageOf(cause)}). ` +
        'Start it, correct REDIS_URL, or unset REDIS_URL to have a private Redis started.',
      { cause },
    )
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
}

export async function askRedis(redis: Redis, options: AskRedisOptions): Promise<RedisFacts> {
  const info = parseInfo(await patiently(() => redis.info(), options))
  const product = info.has('valkey_version') ? 'valkey' : 'redis'
  const appendOnly = info.get('aof_enabled') === '1'
  return {
    server: { product, version: info.get(`${product}_version`) ?? 'unknown' },
    evictionPolicy: info.get('maxmemory_policy') ?? null,
    isReplica: info.get('role') === 'slave',
    syncsEveryWrite: appendOnly ? await syncsAlways(redis) : false,
  }
}

async function patiently<T>(
  ask: () => Promise<T>,
  { place, lastError, patienceMs }: AskRedisOptions,
): Promise<T> {
  const deadline = deadlineIn(patienceMs)
  for (;;) {
    try {
      return await ask()
    } catch (failure) {
      const cause = lastError() ?? failure
      const refusal = refusalOf(cause) ?? refusalOf(failure)
      if (refusal) throw new ConfigurationError([`REDIS_URL=${place} is refused by Redis: ${refusal}`])
      if (remaining(deadline) === 0) throw new RedisUnreachable(place, cause)
      await pause(100)
    }
  }
}

/** What waiting will not mend, and the way out. */
function refusalOf(cause: unknown): string | null {
  const message = cause instanceof Error ? cause.message : ''
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
export function redisProblems({ server, evictionPolicy, isReplica }: RedisFacts, place: string): string[] {
  const problems: string[] = []
  if (!isSupported(server)) {
    problems.push(
      `REDIS_URL=${place} is ${server.product} ${server.version}, but ${supportedVersions} or later is needed: ` +
        'older ones refuse a logout when their memory is full. Upgrade it, or unset REDIS_URL.',
    )
  }
  if (evictionPolicy !== null && evictionPolicy !== 'noeviction') {
    problems.push(
      `REDIS_URL=${place} has maxmemory-policy ${evictionPolicy}: it would silently throw away sessions, or the ` +
        'record of a logout, when memory is short. Run CONFIG SET maxmemory-policy noeviction there, and put it ' +
        'into its configuration file.',
    )
  }
  if (isReplica) {
    problems.push(`REDIS_URL=${place} is a read-only replica. Name the primary, or use redis+sentinel://.`)
  }
  return problems
}

export interface DurabilityChoice {
  readonly mode: DurabilityMode
  readonly because: string
}

/**
 * Whether sessions may go on after a restart of Redis. They may only where no acknowledged logout can be lost with
 * it; elsewhere a restart signs everyone out.
 */
export function chooseDurability(
  wanted: Durability,
  redis: { readonly embedded: boolean; readonly syncsEveryWrite: boolean | null },
): DurabilityChoice {
  if (wanted !== 'auto') return { mode: wanted, because: `SESSION_DURABILITY=${wanted}` }
  if (redis.embedded)
    return { mode: 'keep', because: 'the file of the embedded Redis survives its own crash' }
  if (redis.syncsEveryWrite)
    return { mode: 'keep', because: 'Redis has appendonly yes and appendfsync always' }
  return redis.syncsEveryWrite === null
    ? { mode: 'fence', because: 'Redis does not tell whether it syncs every write' }
    : {
        mode: 'fence',
        because: 'Redis may lose its last writes: it lacks appendonly yes with appendfsync always',
      }
}
