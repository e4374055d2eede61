import { existsSync } from 'node:fs'
import { openAccounts } from '../../../shared/accounts/open-accounts.ts'
import type { Config, RedisTarget } from '../../../shared/config/config.ts'
import { placesOf } from '../../../shared/deployment/open-deployment.ts'
import {
  findDeployment,
  markerProblem,
  readMarker,
  type Deployment,
} from '../../../shared/deployment/resolve-deployment.ts'
import { ConfigurationError } from '../../../shared/kernel/errors.ts'
import { deadlineIn } from '../../../shared/kernel/lifecycle.ts'
import { openRedis, redisService } from '../../../shared/kernel/redis/connections.ts'
import type { RunningServer } from './examine.ts'
import { findingsAbout, type Finding } from './finding.ts'

const { ok, problem } = findingsAbout('deployment')

/** What this deployment is called, and whether its keys in Redis are its own. */
export async function examineDeployment(config: Config, server: RunningServer | null): Promise<Finding[]> {
  const { database } = config
  // To open a file that is not there would make it.
  if (database.kind === 'sqlite' && !existsSync(database.file)) return [ok(firstStart(config))]
  const accounts = openAccounts(database)
  try {
    await accounts.start()
    if ((await accounts.missingMigrations()).length > 0) return [ok(firstStart(config))]
    const found = await findDeployment(accounts.deployments, config.appName)
    if (found === null) return [ok(firstStart(config))]
    const { id } = await accounts.deployments.describe()
    const target = locatedRedis(config, server)
    const fault = target && (await foreign(config, target, { id, keys: found.keys }))
    return [fault ? problem(fault) : ok(described(found, id))]
  } catch (cause) {
    if (cause instanceof ConfigurationError) return cause.problems.map(problem)
    // That the database or Redis can't be asked is said by those who examine them.
    return []
  } finally {
    await accounts.stop(deadlineIn(1_000))
  }
}

function firstStart({ appName }: Config): string {
  return appName === null ? 'the first start gives it a name' : `the first start names it ${appName}`
}

function described({ name, keys }: Pick<Deployment, 'name' | 'keys'>, id: string): string {
  return (
    `it is ${name === null ? 'not named' : `named ${name}`}; its keys in Redis begin with {${keys.sessions}}, ` +
    `{${keys.limits}} and ${keys.queues}, and belong to its accounts database (${id})`
  )
}

/** Null when the Redis is not running, or not ours to look into. */
function locatedRedis({ redis }: Config, server: RunningServer | null) {
  if (redis.kind !== 'embedded') return redis
  return server?.redisUrl ? ({ kind: 'single', url: server.redisUrl } as const) : null
}

/** Why the keys are not ours to use, or null. */
async function foreign(
  config: Config,
  target: Exclude<RedisTarget, { kind: 'embedded' }>,
  { id, keys }: { id: string; keys: Deployment['keys'] },
): Promise<string | null> {
  const redis = openRedis(target, 'commands', { name: 'doctor', onError: () => {} })
  try {
    return markerProblem(await readMarker(redis, keys), id, { keys, places: placesOf(config, target) })
  } finally {
    await redisService(redis).stop(deadlineIn(1_000))
  }
}
