import path from 'node:path'
import type { Config, RedisTarget } from '../../../shared/config/config.ts'
import type { DeploymentKeys } from '../../../shared/deployment/deployment-keys.ts'
import { ConfigurationError } from '../../../shared/kernel/errors.ts'
import { deadlineIn, type ServiceStack } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { withoutUrlSecrets } from '../../../shared/kernel/redact.ts'
import { openRedis, redisService } from '../../../shared/kernel/redis/connections.ts'
import { createEmbeddedRedis, type EmbeddedRedis } from '../embedded-redis/embedded-redis.ts'
import { findRedisServer } from '../embedded-redis/find-server.ts'
import {
  coherenceKeys,
  createCoherenceScripts,
  type DomainSettings,
  type DurabilityMode,
} from '../../../shared/coherence/index.ts'
import { chooseDurability } from '../../../shared/domain/durability.ts'
import { probeRedis } from '../../../shared/domain/probe-redis.ts'
import { askRedis, redisProblems, type RedisFacts } from '../../../shared/domain/redis-facts.ts'

export interface PreparedRedis {
  /** In the form of REDIS_URL, also for the embedded one. */
  readonly url: string
  readonly target: Exclude<RedisTarget, { kind: 'embedded' }>
  readonly durability: DurabilityMode
  /** Ends every session if the last logouts may be lost. To be called before anything uses the sessions. */
  settleLoss(keys: DeploymentKeys): Promise<void>
}

export interface RedisPreparation {
  readonly config: Config
  readonly searchPath: string
  readonly log: Logger
  /** Where the embedded Redis goes, so that it is stopped after everything that needs it. */
  readonly services: ServiceStack
}

/** How long an external Redis may take to answer for the first time. */
const patienceMs = 5_000

/** Starts the embedded Redis, or meets the external one, and makes sure that sessions are safe there. */
export async function prepareRedis({
  config,
  searchPath,
  log,
  services,
}: RedisPreparation): Promise<PreparedRedis> {
  const embedded =
    config.redis.kind === 'embedded' ? await startEmbedded(config, searchPath, log, services) : null
  const target: Exclude<RedisTarget, { kind: 'embedded' }> =
    config.redis.kind === 'embedded' ? { kind: 'single', url: embedded?.url ?? '' } : config.redis
  const place = withoutUrlSecrets(target.url)

  let lastError: Error | null = null
  const redis = openRedis(target, 'commands', { name: 'primary', onError: (error) => (lastError = error) })
  const subscriber = openRedis(target, 'subscriber', { name: 'primary-subscriber' })
  try {
    const facts = await askRedis(redis, { place, lastError: () => lastError, patienceMs })
    const { mode, because, ...durability } = chooseDurability({
      wanted: config.sessions.durability,
      nodes: config.redisNodes,
      kind: config.redis.kind,
      facts,
    })
    const problems = [...redisProblems(facts, place), ...durability.problems]
    if (problems.length > 0) throw new ConfigurationError(problems)
    const unusable = await probeRedis({
      redis,
      subscriber,
      place,
      identity: config.redisIdentity,
      durability: mode,
    })
    if (unusable.length > 0) throw new ConfigurationError(unusable)
    tellDoubts(facts, place, log)
    for (const doubt of durability.doubts) log.warn({ redis: place }, doubt)
    log.info({ redis: place, server: facts.server, durability: mode, because }, 'Redis is ready for sessions')
    return {
      url: target.url,
      target,
      durability: mode,
      async settleLoss(keys) {
        if (!embedded?.durabilityLost) return
        log.warn(
          'the machine went down uncleanly and may have taken the last logouts along: everyone is signed out',
        )
        await fence(target, { keys: coherenceKeys(keys.sessions), durability: mode })
        await embedded.lossHandled()
      },
    }
  } finally {
    const deadline = deadlineIn(1_000)
    await Promise.all([redis, subscriber].map((client) => redisService(client).stop(deadline)))
  }
}

async function fence(target: PreparedRedis['target'], settings: DomainSettings): Promise<void> {
  const redis = openRedis(target, 'commands', { name: 'primary' })
  try {
    await createCoherenceScripts(redis, settings).fence()
  } finally {
    await redisService(redis).stop(deadlineIn(1_000))
  }
}

async function startEmbedded(
  config: Config,
  searchPath: string,
  log: Logger,
  services: ServiceStack,
): Promise<EmbeddedRedis> {
  const server = await findRedisServer({
    binary: config.redisServerBin ?? undefined,
    searchPath,
    cacheDirectory: path.join(config.dataDir, 'redis-bin'),
    onFetch: () => log.info('no Redis server is installed: fetching one into the data directory'),
    onProgress: (step) => log.info(`fetching Redis: ${step}`),
  })
  return services.start(createEmbeddedRedis({ dataDir: config.dataDir, server, log }))
}

/** What cannot be verified is said, not refused: managed services hide it. */
function tellDoubts({ evictionPolicy }: RedisFacts, place: string, log: Logger): void {
  if (evictionPolicy !== null) return
  log.warn({ redis: place }, 'Redis does not report its maxmemory-policy: make sure that it is noeviction')
}
