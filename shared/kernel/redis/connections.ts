/**
 * Connections to Redis, one way to open each kind.
 *
 * A request must never hang on Redis: a command that is not answered within `commandTimeoutMs` is rejected,
 * whether Redis is frozen, the network swallows packets, or the connection is being made again (commands wait
 * for that in memory, within the same bound). A command in flight when the connection breaks is rejected at once, not
 * sent again: only its sender knows whether doing it twice is harmless.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { messageOf } from '../errors.ts'
import { remaining, type Deadline, type Service } from '../lifecycle.ts'
import { boundCommands } from './bound-commands.ts'
import { openClusterSubscriber } from './cluster-subscriber.ts'
import { tellScripts } from './identity.ts'
import { QuietSentinelConnector } from './sentinel-connector.ts'
import { keepPulse } from './subscriber-pulse.ts'
import type { LocatedRedis, RedisIdentity } from './target.ts'
import { parseClusterUrl, parseNodeOptions, parseRedisUrl } from './url.ts'

/** What a connection is for; decides its timeouts. */
export type RedisPurpose =
  /** Short commands on behalf of requests: bounded. */
  | 'commands'
  /** Pub/sub: quiet for long, so it is pinged; reconnects for ever. */
  | 'subscriber'
  /** BullMQ workers, which block on the server for long and do again what was cut off. */
  | 'blocking'

export interface RedisConnectionOptions {
  readonly commandTimeoutMs?: number
  /** Shown by CLIENT LIST. */
  readonly name?: string
  /** Called with each connection error; they are otherwise silent, since every command reports its own failure. */
  readonly onError?: (cause: Error) => void
}

export const defaultCommandTimeoutMs = 1_000

/** How often a subscriber is asked whether it still lives. */
const pulseMs = 2_000

/** Longer than BullMQ blocks (10 s): a blocking connection without a word for this time is dead. */
const blockingSilenceMs = 15_000

/**
 * Makes a client that connects at the first command or `connect()`. The Cluster client offers the same commands,
 * so callers see one type.
 */
export function openRedis(
  target: LocatedRedis,
  purpose: RedisPurpose,
  options: RedisConnectionOptions = {},
): Redis {
  const { commandTimeoutMs = defaultCommandTimeoutMs } = options
  const client = openKind(target, purpose, optionsFor(purpose, commandTimeoutMs, options.name))
  client.on('error', options.onError ?? (() => {}))
  // BullMQ's commands wait for Redis as long as it takes: a job that is done must not be done again.
  if (purpose !== 'blocking') boundCommands(client, commandTimeoutMs)
  if (purpose === 'subscriber') keepPulse(client, pulseMs)
  if (purpose === 'commands' && target.kind !== 'cluster' && target.identity === 'connection')
    tellScripts(client)
  return client
}

/**
 * Takes over a client that the application made, of whatever version of ioredis: from now on it keeps to the same rules as
 * ours. What its own options say of retries is replaced, since a client that gives up, or sends again what was cut off,
 * would break them.
 */
export function adoptClient(client: Redis, purpose: RedisPurpose, identity: RedisIdentity = 'script'): Redis {
  const { retryStrategy, reconnectOnError, autoResendUnfulfilledCommands, maxRetriesPerRequest } = optionsFor(
    purpose,
    defaultCommandTimeoutMs,
    undefined,
  )
  const rules = { retryStrategy, reconnectOnError, autoResendUnfulfilledCommands, maxRetriesPerRequest }
  Object.assign(client.options, rules)
  client.on('error', () => {})
  if (purpose !== 'blocking') boundCommands(client, defaultCommandTimeoutMs)
  if (purpose === 'subscriber') keepPulse(client, pulseMs)
  if (purpose === 'commands' && identity === 'connection') tellScripts(client)
  return client
}

function openKind(target: LocatedRedis, purpose: RedisPurpose, common: RedisOptions): Redis {
  if (target.kind === 'single') {
    return new Redis({ ...common, ...parseRedisUrl({ kind: 'single', url: target.url }) })
  }
  if (target.kind === 'sentinel') {
    const options = parseRedisUrl({ kind: 'sentinel', url: target.url })
    return new Redis({ ...common, ...sentinelCare, ...options })
  }
  return purpose === 'subscriber'
    ? openClusterSubscriber(target.url, common)
    : openCluster(target.url, purpose, common)
}

/**
 * A connection to one node of a Sentinel set, of a Cluster, or beside a single server, with the same credentials and the
 * same protection.
 */
export function openNode(
  target: LocatedRedis,
  { host, port }: { readonly host: string; readonly port: number },
  options: RedisConnectionOptions = {},
): Redis {
  const { commandTimeoutMs = defaultCommandTimeoutMs } = options
  const common = optionsFor('commands', commandTimeoutMs, options.name)
  const client = new Redis({ ...common, ...parseNodeOptions(target), host, port })
  boundCommands(client, commandTimeoutMs)
  client.on('error', options.onError ?? (() => {}))
  return client
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
        // Not PING, which a Redis refuses that may not write at the moment: it answers all the same.
        await client.time()
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

function optionsFor(purpose: RedisPurpose, timeoutMs: number, name: string | undefined): RedisOptions {
  return {
    lazyConnect: true,
    connectionName: name,
    connectTimeout: 2_000,
    keepAlive: 5_000,
    autoResendUnfulfilledCommands: purpose === 'blocking',
    maxRetriesPerRequest: null,
    reconnectOnError: isOfReplica,
    retryStrategy: (attempt) => Math.min(20 * 2 ** Math.min(attempt, 6), 500) * (0.5 + Math.random() / 2),
    // A connection that swallows everything (a dead peer, a firewall) is given up and made again.
    ...(purpose === 'commands' ? { commandTimeout: timeoutMs, socketTimeout: timeoutMs * 3 } : {}),
    ...(purpose === 'subscriber' ? { commandTimeout: timeoutMs } : {}),
    ...(purpose === 'blocking' ? { socketTimeout: blockingSilenceMs } : {}),
  }
}

/** The server that we are connected to is not the primary any more: its address has to be found out again. */
function isOfReplica({ message }: Error): boolean {
  return /\bREADONLY\b|^UNBLOCKED|^MASTERDOWN/.test(message)
}

/** A Sentinel that hangs is passed over, and those that live say when the primary has changed. */
const sentinelCare: RedisOptions = {
  Connector: QuietSentinelConnector,
  sentinelCommandTimeout: 1_000,
  sentinelRetryStrategy: (attempt) => Math.min(attempt * 50, 500),
  sentinelReconnectStrategy: () => 5_000,
  failoverDetector: true,
}

function openCluster(text: string, purpose: RedisPurpose, common: RedisOptions): Redis {
  const { nodes, options } = parseClusterUrl(text)
  const { lazyConnect, maxRetriesPerRequest: _single, retryStrategy, ...redisOptions } = common
  const again = purpose === 'blocking'
  const cluster = new Cluster([...nodes], {
    lazyConnect,
    clusterRetryStrategy: (attempt) => Number(retryStrategy?.(attempt) ?? 500),
    // What was in flight on a connection that closed is sent again only for those who want that.
    retryDelayOnFailover: again ? 500 : 0,
    retryDelayOnClusterDown: again ? 500 : 100,
    // A node that hangs is left soon after the others have replaced it, also where nothing is asked of it meanwhile.
    slotsRefreshInterval: 5_000,
    redisOptions: { ...redisOptions, ...options },
  })
  return cluster as unknown as Redis
}
