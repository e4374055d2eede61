/**
 * The connections of an application to its Redis: by a URL, or made by its own client. Clients are known by what they
 * can do and never by their class, since an application may have another version of ioredis than ours.
 */
import type { Redis } from 'ioredis'
import { redisAddress } from '../config/addresses.ts'
import { Refusal } from '../config/grammar.ts'
import { withoutUrlSecrets } from '../kernel/redact.ts'
import { adoptClient, openRedis, type RedisPurpose } from '../kernel/redis/connections.ts'
import { openFailover, type FailoverConnections } from '../kernel/redis/failover.ts'
import type { LocatedRedis, RedisIdentity } from '../kernel/redis/target.ts'

/** What we need of a client: ioredis 5 and 6 have it. */
export interface RedisClient {
  readonly status: string
  connect(): Promise<unknown>
  disconnect(): void
  duplicate(...args: never[]): RedisClient
  evalsha(...args: never[]): unknown
  sendCommand(...args: never[]): unknown
  on(event: string, listener: (...args: never[]) => void): unknown
}

/**
 * A URL as REDIS_URL has it; a function that makes a new client at each call, which is closed here; or a client, which
 * stays the application's own: it is duplicated.
 */
export type GivenRedis = string | RedisClient | (() => RedisClient)

/** Where Redis is and how it is reached, before anything is connected. */
export interface RedisSource {
  /** The kinds that differ in who takes over when a server fails; known once a connection was opened. */
  readonly kind: LocatedRedis['kind']
  /** For people: without secrets. */
  readonly place: string
  open(purpose: RedisPurpose, name: string): Redis
  /** Null where only a URL says how the other nodes are reached. */
  readonly openFailover: ((nodes: number, name: string) => FailoverConnections) | null
}

/** The source, or what is wrong with what was given. */
export function redisSource(given: unknown, identity: RedisIdentity): RedisSource | string {
  if (typeof given === 'string') return sourceOfUrl(given, identity)
  const problem = givenProblem(given)
  return problem ?? sourceOfClients(given as Exclude<GivenRedis, string>, identity)
}

function sourceOfUrl(url: string, identity: RedisIdentity): RedisSource | string {
  const found = redisAddress.parse(url)
  if (found instanceof Refusal) {
    const hint = found.hint ? ` (${found.hint})` : ''
    return `redis is ${JSON.stringify(withoutUrlSecrets(url))}, which is no address of a Redis${hint}: ${redisAddress.accepts}`
  }
  const target: LocatedRedis =
    identity === 'connection' && found.kind !== 'cluster' ? { ...found, identity } : found
  return {
    kind: target.kind,
    place: withoutUrlSecrets(url),
    open: (purpose, name) => openRedis(target, purpose, { name }),
    openFailover: (nodes, name) => openFailover(target, nodes, { name }),
  }
}

function sourceOfClients(given: Exclude<GivenRedis, string>, identity: RedisIdentity): RedisSource {
  const known = new Set<RedisClient>()
  let kind: LocatedRedis['kind'] = 'single'
  let place = 'unknown'

  function make(): RedisClient {
    if (typeof given !== 'function') return given.duplicate(...([{ lazyConnect: true }] as never[]))
    const client: unknown = given()
    const problem = clientProblem(client)
    if (problem) throw new TypeError(`the function redis answered with ${problem}`)
    return client as RedisClient
  }

  return {
    get kind() {
      return kind
    },
    get place() {
      return place
    },
    open(purpose) {
      const client = make()
      // A connection that subscribes can do nothing else.
      if (known.has(client)) {
        throw new TypeError('the function redis must make a new client at each call: () => new Redis(url)')
      }
      known.add(client)
      const facts = factsOf(client)
      if (facts.problem) {
        client.disconnect()
        throw new TypeError(facts.problem)
      }
      ;({ kind, place } = facts)
      return adoptClient(client as unknown as Redis, purpose, identity)
    },
    openFailover: null,
  }
}

function givenProblem(given: unknown): string | null {
  if (typeof given === 'function') return null
  const problem = clientProblem(given)
  return problem && `redis is ${problem}: give a URL, or a function such as () => new Redis(url) with ioredis`
}

function clientProblem(client: unknown): string | null {
  if (client instanceof Promise) return 'a promise'
  if (typeof client !== 'object' || client === null)
    return client === undefined ? 'missing' : `a ${typeof client}`
  const methods = ['duplicate', 'evalsha', 'sendCommand', 'connect', 'disconnect', 'on'] as const
  const lacking = methods.filter((name) => typeof (client as Record<string, unknown>)[name] !== 'function')
  if (lacking.length === 0) return null
  const isNodeRedis = typeof (client as { sendCommand?: unknown; isOpen?: unknown }).isOpen === 'boolean'
  return isNodeRedis
    ? 'a client of the package redis, not of ioredis'
    : `no client of ioredis (it lacks ${lacking.join(', ')})`
}

interface ClientOptions {
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly keyPrefix?: string
  readonly sentinels?: readonly unknown[] | null
  readonly redisOptions?: { readonly keyPrefix?: string }
}

function factsOf(client: RedisClient) {
  const { options = {}, isCluster } = client as { options?: ClientOptions; isCluster?: boolean }
  const prefix = options.keyPrefix || options.redisOptions?.keyPrefix
  const sentinel = Array.isArray(options.sentinels) && options.sentinels.length > 0
  const problem = isCluster
    ? 'redis is a Cluster client, which hides the connection that subscribes: give the URL, redis+cluster://host:port,host:port'
    : prefix
      ? `redis has the keyPrefix ${JSON.stringify(prefix)}: leave it out, since the keys are named after \`name\``
      : null
  return {
    problem,
    kind: sentinel ? ('sentinel' as const) : ('single' as const),
    place: sentinel
      ? 'the primary of the Sentinels'
      : (options.path ?? `${options.host ?? 'localhost'}:${options.port ?? 6379}`),
  }
}
