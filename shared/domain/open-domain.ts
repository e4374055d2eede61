/**
 * A coherence domain for an application that has its own server: opened by a name and a Redis, and only where that Redis
 * was found fit for it. All parts of one name share it with all processes that open the same name in the same Redis.
 *
 * ```ts
 * const domain = openDomain({ name: 'shop', redis: 'redis://127.0.0.1:6379' })
 * await domain.start()                      // rejects with everything that is wrong, in words
 * domain.use().coherence.leaseOk()
 * ```
 */
import type { Redis } from 'ioredis'
import {
  durabilities,
  maximumLeaseMs,
  openCoherence,
  type Coherence,
  type Durability,
  type DurabilityMode,
  type Waited,
} from '../coherence/index.ts'
import { deploymentKeys, spaceNamed, type DeploymentKeys } from '../deployment/deployment-keys.ts'
import { systemClock, type Clock } from '../kernel/clock.ts'
import { ConfigurationError, NotStarted } from '../kernel/errors.ts'
import { createServiceStack, type Deadline, type Service, type ServiceStack } from '../kernel/lifecycle.ts'
import { redisService } from '../kernel/redis/connections.ts'
import type { RedisIdentity } from '../kernel/redis/target.ts'
import { applicationName } from './application-name.ts'
import { claimName } from './claim-name.ts'
import { chooseDurability } from './durability.ts'
import { redisSource, type GivenRedis, type RedisSource } from './given-redis.ts'
import { nameProblems } from './option-problems.ts'
import { probeRedis } from './probe-redis.ts'
import { askRedis, redisProblems } from './redis-facts.ts'
import { options as optionWords } from './wording.ts'

export interface DomainOptions {
  /**
   * Names everything that is kept in Redis, the same in every process of the application. Two applications on one Redis
   * have different names, and never meet.
   */
  readonly name: string
  /**
   * `redis://…` (also rediss, unix, redis+sentinel, redis+cluster), a function that makes a new ioredis client at each
   * call, or a client, which is duplicated.
   */
  readonly redis: GivenRedis
  /**
   * Which application uses the name; the name in its package.json unless it is given. Several programs that share their
   * sessions on purpose give the same. `null`: no one checks.
   */
  readonly app?: string | null
  /** The longest that a hung process can delay a logout; 1000, at most 2000. */
  readonly leaseMs?: number
  /** What a restart or a failover of Redis does to sessions; `auto`, which finds out what Redis can keep. */
  readonly durability?: Durability
  /** For `durability: 'failover'`: how many data nodes keep each key. */
  readonly redisNodes?: number
  /** `connection` where a service lets no script call INFO. */
  readonly redisIdentity?: RedisIdentity
  /** Something that works and should be looked at; a warning of the process unless it is given. */
  readonly onWarning?: (message: string) => void
  readonly onWaited?: (waited: Waited) => void
  readonly clock?: Clock
}

/** What parts are made of. */
export interface Domain {
  /** For short commands, each bounded. */
  readonly redis: Redis
  /** For pub/sub alone. */
  readonly subscriber: Redis
  readonly coherence: Coherence
  readonly keys: DeploymentKeys
  readonly durability: DurabilityMode
}

export interface DomainService extends Service {
  readonly name: string
  /** Throws `NotStarted` before the start and after the stop. */
  use(): Domain
}

/** How long Redis may take to answer for the first time. */
const patienceMs = 5_000

/** Throws a `ConfigurationError` with everything that is wrong with the options. Connects at `start`. */
export function openDomain(options: DomainOptions): DomainService {
  const { name, redisIdentity = 'script', clock = systemClock } = options
  const { onWarning = (message) => process.emitWarning(message, 'LockstepWarning') } = options
  const problems = domainProblems(options)
  const source = redisSource(options.redis, redisIdentity)
  if (typeof source === 'string') problems.push(source)
  if (problems.length > 0 || typeof source === 'string') throw new ConfigurationError(problems)
  const keys = deploymentKeys(spaceNamed(name))

  let stack: ServiceStack = createServiceStack()
  let open: Domain | null = null

  async function start(own: ServiceStack, from: RedisSource): Promise<void> {
    const redis = from.open('commands', `${name}-sessions`)
    await own.start(connected(redis))
    const subscriber = from.open('subscriber', `${name}-sessions-subscriber`)
    await own.start(connected(subscriber))
    const durability = await examine(from, redis, subscriber)
    await claimName(redis, name, options.app === undefined ? applicationName() : options.app)
    const failover =
      durability === 'failover' ? from.openFailover?.(options.redisNodes ?? 0, `${name}-sessions`) : undefined
    if (failover) await own.start(failover)
    const coherence = openCoherence({
      redis,
      subscriber,
      durability,
      failover,
      domain: keys.sessions,
      leaseMs: options.leaseMs ?? 1_000,
      clock,
      ...(options.onWaited ? { onWaited: options.onWaited } : {}),
    })
    await own.start(coherence)
    open = { redis, subscriber, coherence, keys, durability }
  }

  /** What Redis is, whether it may be trusted with sessions, and what it keeps. */
  async function examine(from: RedisSource, redis: Redis, subscriber: Redis): Promise<DurabilityMode> {
    const { place } = from
    let lastError: Error | null = null
    redis.on('error', (cause: Error) => (lastError = cause))
    const wording = optionWords
    const facts = await askRedis(redis, { place, lastError: () => lastError, patienceMs, wording })
    const { mode, problems, doubts } = chooseDurability({
      wanted: options.durability ?? 'auto',
      nodes: options.redisNodes ?? null,
      kind: from.kind,
      facts,
      wording,
    })
    const found = [...redisProblems(facts, place, wording), ...problems]
    if (mode === 'failover' && from.openFailover === null) {
      found.push(`${wording.durability('failover')} has to reach each node by itself: give redis as a URL`)
    }
    if (found.length > 0) throw new ConfigurationError(found)
    const unusable = await probeRedis({
      redis,
      subscriber,
      place,
      identity: redisIdentity,
      durability: mode,
      wording,
    })
    if (unusable.length > 0) throw new ConfigurationError(unusable)
    if (facts.evictionPolicy === null) {
      onWarning(`Redis at ${place} does not tell its maxmemory-policy: make sure that it is noeviction`)
    }
    for (const doubt of doubts) onWarning(`Redis at ${place}: ${doubt}`)
    return mode
  }

  return {
    name,
    async start() {
      const own = (stack = createServiceStack())
      try {
        await start(own, source)
      } catch (cause) {
        open = null
        await own.stop(performance.now() + 1_000).catch(() => {})
        throw cause
      }
    },
    async stop(deadline: Deadline) {
      open = null
      await stack.stop(deadline)
    },
    use() {
      if (open === null) throw new NotStarted(name)
      return open
    },
  }
}

/** It connects when it is asked for the first time, and closes with the others. */
function connected(redis: Redis): Service {
  return { start: async () => {}, stop: redisService(redis).stop }
}

function domainProblems(options: DomainOptions): string[] {
  const { leaseMs, durability, redisNodes } = options
  const problems = nameProblems(options)
  if (leaseMs !== undefined && !(leaseMs >= 100 && leaseMs <= maximumLeaseMs)) {
    problems.push(`leaseMs is ${leaseMs}: it goes from 100 to ${maximumLeaseMs}`)
  }
  if (durability !== undefined && !durabilities.includes(durability)) {
    problems.push(`durability is ${JSON.stringify(durability)}: it is one of ${durabilities.join(', ')}`)
  }
  if (durability === 'failover' && !(Number.isInteger(redisNodes) && Number(redisNodes) >= 3)) {
    problems.push("durability: 'failover' needs redisNodes, the number of data nodes, of 3 or more")
  }
  return problems
}
