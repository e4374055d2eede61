/**
 * Connections to Redis, one way to open each kind.
 *
 * A request must never hang on Redis: a command that is not answered within `commandTimeoutMs` is rejected,
 * whether Redis is frozen, the network swallows packets, or the connection is being made again (commands wait
 * for that in memory, within the same bound). A command in flight when the connection breaks is rejected, not
 * sent again: only its sender knows whether doing it twice is harmless.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { RedisTarget } from '../../config/config.ts'
import { messageOf } from '../errors.ts'
import { remaining, type Deadline, type Service } from '../lifecycle.ts'

/** What a connection is for; decides its timeouts. */
export type RedisPurpose =
  /** Short commands on behalf of requests: bounded. */
  | 'commands'
  /** Pub/sub: quiet for long, so not bounded; reconnects for ever. */
  | 'subscriber'
  /** BullMQ workers, which block on the server for long. */
  | 'blocking'

export interface RedisConnectionOptions {
  readonly commandTimeoutMs?: number
  /** Shown by CLIENT LIST. */
  readonly name?: string
  /** Called with each connection error; they are otherwise silent, since every command reports its own failure. */
  readonly onError?: (cause: Error) => void
}

export const defaultCommandTimeoutMs = 1_000

/**
 * Makes a client that connects at the first command or `connect()`. The Cluster client offers the same commands,
 * so callers see one type.
 */
export function openRedis(
  target: Exclude<RedisTarget, { kind: 'embedded' }>,
  purpose: RedisPurpose,
  options: RedisConnectionOptions = {},
): Redis {
  const common = optionsFor(purpose, options)
  const client =
    target.kind === 'cluster'
      ? openCluster(target.url, common)
      : new Redis({ ...common, ...parseRedisUrl(target) })
  client.on('error', options.onError ?? (() => {}))
  return client as Redis
}

/** A connection as a service: `start` waits until Redis answers, at most its command timeout; `stop` lets go. */
export function redisService(client: Redis): Service {
  // ioredis rejects with "Connection is closed", and says why there.
  let lastError: Error | null = null
  client.on('error', (cause: Error) => (lastError = cause))

  return {
    async start() {
      try {
        if (client.status === 'wait') await client.connect()
        await client.ping()
      } catch (cause) {
        // It would go on connecting for ever.
        client.disconnect()
        throw new Error(`Redis does not answer (${messageOf(lastError ?? cause)})`, { cause })
      }
    },
    async stop(deadline: Deadline) {
      if (client.status === 'end') return
      const patience = setTimeout(() => client.disconnect(), Math.min(remaining(deadline), 500))
      // QUIT lets the replies in flight arrive; a Redis that does not answer is left behind.
      await client.quit().catch(() => client.disconnect())
      clearTimeout(patience)
    },
  }
}

function optionsFor(purpose: RedisPurpose, options: RedisConnectionOptions): RedisOptions {
  const timeoutMs = options.commandTimeoutMs ?? defaultCommandTimeoutMs
  return {
    lazyConnect: true,
    connectionName: options.name,
    connectTimeout: 2_000,
    keepAlive: 5_000,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => Math.min(20 * 2 ** Math.min(attempt, 6), 500) * (0.5 + Math.random() / 2),
    ...(purpose === 'commands'
      ? {
          commandTimeout: timeoutMs,
          // A few attempts to connect, then what waits is told so: no pile of stale commands at the end of an outage.
          maxRetriesPerRequest: 4,
          // A connection that swallows everything (a dead peer, a firewall) is given up and made again.
          socketTimeout: timeoutMs * 3,
        }
      : { maxRetriesPerRequest: null }),
  }
}

/** The connection options that a single-server or Sentinel URL stands for. */
export function parseRedisUrl(target: { kind: 'single' | 'sentinel'; url: string }): RedisOptions {
  if (target.kind === 'sentinel') return parseSentinelUrl(target.url)
  const url = new URL(target.url)
  if (url.protocol === 'unix:') {
    return {
      path: decodeURIComponent(url.pathname),
      ...credentials(url),
      db: Number(url.searchParams.get('db') ?? 0),
    }
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    ...credentials(url),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  }
}

function parseSentinelUrl(text: string): RedisOptions {
  const { hosts, path, scheme, auth } = splitHosts(text)
  const [name, db] = path.split('/')
  return {
    sentinels: hosts.map(({ host, port }) => ({ host, port: port ?? 26379 })),
    name: name || 'mymaster',
    db: Number(db || 0),
    ...auth,
    ...(scheme.startsWith('rediss') ? { tls: {}, enableTLSForSentinelMode: true } : {}),
  }
}

function openCluster(text: string, common: RedisOptions): Redis {
  const { hosts, scheme, auth } = splitHosts(text)
  const { lazyConnect, maxRetriesPerRequest: _single, retryStrategy, ...redisOptions } = common
  const nodes = hosts.map(({ host, port }) => ({ host, port: port ?? 6379 }))
  const cluster = new Cluster(nodes, {
    lazyConnect,
    clusterRetryStrategy: (attempt) => Number(retryStrategy?.(attempt) ?? 500),
    redisOptions: { ...redisOptions, ...auth, ...(scheme.startsWith('rediss') ? { tls: {} } : {}) },
  })
  return cluster as unknown as Redis
}

/** Takes `scheme://user:password@host1:port1,host2:port2/path` apart; `URL` refuses a list of hosts. */
function splitHosts(text: string) {
  const match = /^([a-z+]+):\/\/(?:([^@/]*)@)?([^/]+)\/?(.*)$/.exec(text)
  if (!match) throw new TypeError('not a Redis address with a list of hosts')
  const [, scheme = '', userinfo = '', list = '', path = ''] = match
  const hosts = list.split(',').map((entry) => {
    const parts = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(entry)
    return {
      host: (parts?.[1] ?? entry).replace(/^\[|\]$/g, ''),
      port: parts?.[2] ? Number(parts[2]) : undefined,
    }
  })
  return { scheme, hosts, path, auth: userinfo ? credentials(new URL(`redis://${userinfo}@host`)) : {} }
}

function credentials(url: URL): Pick<RedisOptions, 'username' | 'password'> {
  return {
    ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
    ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
  }
}
