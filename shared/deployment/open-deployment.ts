import type { AccountStore } from '../accounts/accounts.ts'
import { openAccounts } from '../accounts/open-accounts.ts'
import type { Config, RedisTarget } from '../config/config.ts'
import { deadlineIn } from '../kernel/lifecycle.ts'
import { withoutUrlSecrets } from '../kernel/redact.ts'
import { openRedis, redisService } from '../kernel/redis/connections.ts'
import { resolveDeployment, type Deployment } from './resolve-deployment.ts'

type Located = Exclude<RedisTarget, { kind: 'embedded' }>

const closingMs = 5_000

/** Which deployment the accounts that are open belong to, in this Redis. Their tables must be up to date. */
export async function deploymentOf(
  accounts: Pick<AccountStore, 'deployments'>,
  { config, target }: { config: Pick<Config, 'appName' | 'database'>; target: Located },
): Promise<Deployment> {
  const redis = openRedis(target, 'commands', { name: 'deployment' })
  try {
    const { deployments } = accounts
    return await resolveDeployment({
      accounts: deployments,
      redis,
      name: config.appName,
      places: placesOf(config, target),
    })
  } finally {
    await redisService(redis).stop(deadlineIn(1_000))
  }
}

/** The same for a process that no primary told: it brings the tables up to date itself. */
export async function openDeployment(
  config: Pick<Config, 'appName' | 'database'>,
  target: Located,
): Promise<Deployment> {
  const accounts = openAccounts(config.database)
  try {
    await accounts.start()
    await accounts.migrate()
    return await deploymentOf(accounts, { config, target })
  } finally {
    await accounts.stop(deadlineIn(closingMs))
  }
}

/** Where things are, for people: without secrets. */
export function placesOf({ database }: Pick<Config, 'database'>, target: Located) {
  return {
    database: database.kind === 'sqlite' ? database.file : withoutUrlSecrets(database.url),
    redis: withoutUrlSecrets(target.url),
  }
}
