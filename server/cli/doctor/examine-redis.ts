import { statfs } from 'node:fs/promises'
import path from 'node:path'
import type { Redis } from 'ioredis'
import type { Config, RedisTarget } from '../../../shared/config/config.ts'
import { ConfigurationError, messageOf } from '../../../shared/kernel/errors.ts'
import { deadlineIn } from '../../../shared/kernel/lifecycle.ts'
import { withoutUrlSecrets } from '../../../shared/kernel/redact.ts'
import { openRedis, redisService } from '../../../shared/kernel/redis/connections.ts'
import { findRedisServer } from '../../cluster/embedded-redis/find-server.ts'
import { chooseDurability } from '../../../shared/domain/durability.ts'
import { ailmentsOf, askHealth, megabytes, refusesAfterSnapshots } from '../../cluster/boot/redis-health.ts'
import { probeRedis, type ProbeOptions } from '../../../shared/domain/probe-redis.ts'
import { askRedis, redisProblems, type RedisFacts } from '../../../shared/domain/redis-facts.ts'
import type { RunningServer } from './examine.ts'
import { findingsAbout, type Finding } from './finding.ts'

const patienceMs = 2_000
const samples = 20
/** The first sight of a session is one trip to Redis, a logout a few. */
const slowMs = 5
/** Redis ends sessions by its clock, and cookies and tokens are dated by ours. */
const skewMs = 1_000
const leastFreeBytes = 200 * 2 ** 20

const { ok, warning, problem } = findingsAbout('redis')

/** Version, policy, what survives a restart and why, room, latency, and whether its clock agrees with ours. */
export async function examineRedis(
  config: Config,
  { server, searchPath }: { server: RunningServer | null; searchPath: string },
): Promise<Finding[]> {
  if (config.redis.kind !== 'embedded') return askAll(config, config.redis)
  if (server === null) return [await findProgram(config, searchPath)]
  if (server.redisUrl === null) {
    return [problem('the server that runs uses the Redis of its REDIS_URL: set the same REDIS_URL here')]
  }
  return askAll(config, { kind: 'single', url: server.redisUrl })
}

class NotInstalled extends Error {}

/** Which program the embedded Redis would be. */
async function findProgram(config: Config, searchPath: string): Promise<Finding> {
  try {
    const found = await findRedisServer({
      binary: config.redisServerBin ?? undefined,
      searchPath,
      cacheDirectory: path.join(config.dataDir, 'redis-bin'),
      // To fetch one would change something.
      onFetch() {
        throw new NotInstalled()
      },
    })
    return ok(`REDIS_URL is not set: ${found.product} ${found.version} (${found.binary}) will be started`)
  } catch (cause) {
    if (cause instanceof NotInstalled) {
      return ok('REDIS_URL is not set and no server is installed: the first start fetches one')
    }
    if (cause instanceof ConfigurationError) return problem(cause.message)
    throw cause
  }
}

async function askAll(
  config: Config,
  target: Exclude<RedisTarget, { kind: 'embedded' }>,
): Promise<Finding[]> {
  const place = withoutUrlSecrets(target.url)
  let lastError: Error | null = null
  const redis = openRedis(target, 'commands', { name: 'doctor', onError: (error) => (lastError = error) })
  const subscriber = openRedis(target, 'subscriber', { name: 'doctor-subscriber' })
  try {
    const facts = await askRedis(redis, { place, lastError: () => lastError, patienceMs })
    const problems = redisProblems(facts, place).map(problem)
    return [
      ok(`${facts.server.product} ${facts.server.version} answers at ${place}`),
      ...(problems.length > 0
        ? problems
        : [policy(facts), ...(await scripts(config, { redis, subscriber, place }))]),
      ...durability(config, facts),
      ...(await condition(redis)),
      ...(await disk(config)),
      await latency(redis),
      await clock(redis),
    ]
  } catch (cause) {
    return [problem(messageOf(cause))]
  } finally {
    const deadline = deadlineIn(1_000)
    await Promise.all([redis, subscriber].map((client) => redisService(client).stop(deadline)))
  }
}

function policy({ evictionPolicy }: RedisFacts): Finding {
  return evictionPolicy === null
    ? warning(
        'it does not tell its maxmemory-policy: make sure that it is noeviction, or sessions may vanish',
      )
    : ok(`maxmemory-policy is ${evictionPolicy}`)
}

/** Whether scripts like ours run there, as the start finds out. */
async function scripts(
  config: Config,
  connection: Pick<ProbeOptions, 'redis' | 'subscriber' | 'place'>,
): Promise<Finding[]> {
  const durability = config.sessions.durability === 'failover' ? 'failover' : 'fence'
  const unusable = await probeRedis({ ...connection, identity: config.redisIdentity, durability })
  if (unusable.length > 0) return unusable.map(problem)
  const told = config.redisIdentity === 'connection'
  return [
    told
      ? warning(
          'its scripts are told who it is by each connection (REDIS_IDENTITY=connection): a failover behind an ' +
            'address whose connections stay open is noticed a second late',
        )
      : ok('it runs our scripts (flags, INFO, computed keys) and carries what they publish'),
  ]
}

/** What a failure of Redis does to sessions, why, and whether that can be true. */
function durability(config: Config, facts: RedisFacts): Finding[] {
  const { mode, because, problems, doubts } = chooseDurability({
    wanted: config.sessions.durability,
    nodes: config.redisNodes,
    kind: config.redis.kind,
    facts,
  })
  if (problems.length > 0) return problems.map(problem)
  if (doubts.length > 0) return doubts.map(warning)
  if (mode === 'keep') return [ok(`sessions survive a restart of Redis (${because})`)]
  if (mode === 'failover') {
    return [ok(`sessions survive a failover, and what was revoked stays revoked (${because})`)]
  }
  const spared =
    facts.replicas > 0 || facts.clustered || config.redis.kind !== 'single'
      ? 'three data nodes and REDIS_NODES'
      : 'appendonly yes and appendfsync always'
  return [
    ok(`a restart or failover of Redis signs everyone out (${because}); ${spared} would spare them that`),
  ]
}

/** Its memory and its disk, as the primary watches them too. */
async function condition(redis: Redis): Promise<Finding[]> {
  const all = await askHealth(redis)
  const refuses = all.some(({ snapshotFailing }) => snapshotFailing)
    ? await refusesAfterSnapshots(redis)
    : null
  return all.flatMap((health): Finding[] => {
    const where = health.node === null ? '' : `${health.node}: `
    const ailments = ailmentsOf(health, refuses)
    const found = ailments.map(({ severe, text }) => (severe ? problem : warning)(`${where}${text}`))
    if (ailments.some(({ kind }) => kind === 'memory')) return found
    const { usedBytes, limitBytes, hasMaxMemory } = health
    const limit = hasMaxMemory ? `of ${megabytes(limitBytes ?? 0)}` : 'without a limit of its own'
    return [ok(`${where}it uses ${megabytes(usedBytes)} ${limit}`), ...found]
  })
}

/** Room beside the file of the embedded Redis, whose rewriting needs as much as it holds. */
async function disk(config: Config): Promise<Finding[]> {
  if (config.redis.kind !== 'embedded') return []
  try {
    const { bavail, bsize } = await statfs(config.dataDir)
    const freeBytes = bavail * bsize
    if (freeBytes >= leastFreeBytes) return []
    return [
      warning(
        `only ${megabytes(freeBytes)} are free where DATA_DIR=${config.dataDir} is: when that is full, sign-ins fail ` +
          'and logouts can not be confirmed',
      ),
    ]
  } catch {
    // That the directory is not there, or not ours, is found elsewhere.
    return []
  }
}

async function latency(redis: Redis): Promise<Finding> {
  const times: number[] = []
  for (let sample = 0; sample < samples; sample += 1) {
    const askedAt = performance.now()
    // Not PING: one that may not write at the moment refuses it.
    await redis.time()
    times.push(performance.now() - askedAt)
  }
  times.sort((a, b) => a - b)
  const [median = 0, worst = 0] = [times[samples / 2], times.at(-1)]
  const text = `it answers in ${median.toFixed(1)} ms (${worst.toFixed(1)} ms at worst, of ${samples})`
  return median < slowMs
    ? ok(text)
    : warning(`${text}: each sign-in and logout takes several trips; run it nearer to the server`)
}

async function clock(redis: Redis): Promise<Finding> {
  const { ok, warning } = findingsAbout('clock')
  const askedAt = Date.now()
  const [seconds, microseconds] = await redis.time()
  const midway = (askedAt + Date.now()) / 2
  const aheadMs = Math.round(Number(seconds) * 1_000 + Number(microseconds) / 1_000 - midway)
  if (Math.abs(aheadMs) < skewMs) return ok(`Redis' and ours agree within ${Math.abs(aheadMs)} ms`)
  const apart = `Redis' is ${Math.abs(aheadMs)} ms ${aheadMs > 0 ? 'ahead of' : 'behind'} ours`
  return warning(
    `${apart}: times that are shown and schedules will be off; let NTP set the clock of both machines`,
  )
}
