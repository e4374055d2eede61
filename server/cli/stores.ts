/**
 * The accounts and sessions of a configuration, for a process that lives as long as one command. What it changes is
 * as true on every worker as what a worker changes itself: it goes through the same revocations.
 */
import { stat } from 'node:fs/promises'
import type { Redis } from 'ioredis'
import type { App } from '../../shared/app/app.ts'
import { createAuditIds } from '../../shared/accounts/audit.ts'
import type { Account, AccountStore, Passwords } from '../../shared/accounts/accounts.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { createPasswords } from '../../shared/accounts/passwords.ts'
import type { Config, DatabaseTarget, RedisTarget } from '../../shared/config/config.ts'
import { deploymentKeys, type DeploymentKeys } from '../../shared/deployment/deployment-keys.ts'
import { placesOf } from '../../shared/deployment/open-deployment.ts'
import { findDeployment, markerProblem, readMarker } from '../../shared/deployment/resolve-deployment.ts'
import { createServiceStack, deadlineIn, type ServiceStack } from '../../shared/kernel/lifecycle.ts'
import { createLogger } from '../../shared/telemetry/log.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { openFailover } from '../../shared/kernel/redis/failover.ts'
import {
  openCoherence,
  type Coherence,
  type DurabilityMode,
  type Follower,
} from '../../shared/coherence/index.ts'
import { createSessions, type Sessions } from '../../shared/sessions/index.ts'
import type { Settings } from '../../shared/settings/settings.ts'
import { createDataDirectory } from '../cluster/boot/data-directory.ts'
import { prepareRedis } from '../cluster/boot/prepare-redis.ts'
import {
  followRuntimeSettings,
  limitsOf,
  type RuntimeSettings,
} from '../../shared/settings/runtime-settings.ts'
import { openLimits, type Limits } from '../../shared/limits/open-limits.ts'
import { askServer, ServerNotRunning } from './ask-server.ts'
import { CommandFailed } from './command.ts'

export interface Stores {
  readonly accounts: AccountStore
  readonly passwords: Pick<Passwords, 'hash'>
  /** Finds the server's Redis and opens the sessions in it. */
  sessions(): Promise<Sessions>
  /** The settings that all workers share, as they are in force. Where no server runs, its embedded Redis is started. */
  settings(): Promise<Settings<RuntimeSettings>>
  /** The limits under those settings, in the Redis that keeps them. The same holds. */
  limits(): Promise<Pick<Limits, 'limiter' | 'guard'>>
  /** Throws a `CommandFailed` when there is none. */
  account(email: string): Promise<Account>
  /** The same for one whose record may be damaged. */
  accountId(email: string): Promise<string>
  /** Notes in the audit trail what was done by hand. */
  note(action: string, subject: string, details?: Record<string, unknown>): Promise<void>
}

const closingMs = 2_000

/** Opens the stores for the work and closes them after it. Throws a `CommandFailed` where no server ever ran. */
export async function withStores(
  config: Config,
  work: (stores: Stores) => Promise<void>,
  { searchPath = '', app = null }: { readonly searchPath?: string; readonly app?: App | null } = {},
): Promise<void> {
  await requireAccounts(config.database)
  const services = createServiceStack()
  const nextAuditId = createAuditIds()
  try {
    const accounts = await services.start(openAccounts(config.database))
    await accounts.migrate()
    let cluster: Promise<Cluster> | undefined
    const findCluster = () => (cluster ??= openCluster(config, accounts, services, searchPath))
    await work({
      accounts,
      passwords: createPasswords(),
      sessions: () => openSessions(config, accounts, services),
      settings: async () => openSettings(config, await findCluster(), app),
      limits: async () => openLimitsOf(config, await findCluster(), { services, app }),
      async account(email) {
        return (await accounts.findByEmail(email)) ?? noSuchUser(email)
      },
      async accountId(email) {
        return (await accounts.findIdByEmail(email)) ?? noSuchUser(email)
      },
      async note(action, subject, details = {}) {
        const at = Date.now()
        await accounts.audit.append([
          {
            id: nextAuditId(at),
            at,
            actor: null,
            action,
            subject,
            session: null,
            ip: null,
            requestId: null,
            details: { ...details, by: 'command line' },
          },
        ])
      },
    })
  } finally {
    await services.stop(deadlineIn(closingMs)).catch(() => {})
  }
}

function noSuchUser(email: string): never {
  throw new CommandFailed(`there is no account ${JSON.stringify(email)}`, 'no-such-user')
}

/** To open a file that is not there would make it: accounts that no server knows, in a directory that is the wrong one. */
async function requireAccounts(database: DatabaseTarget): Promise<void> {
  if (database.kind !== 'sqlite') return
  try {
    await stat(database.file)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    // Other errors surface when it is opened.
    if (code !== 'ENOENT' && code !== 'ENOTDIR') return
    throw new CommandFailed(
      `there are no accounts yet: ${database.file} does not exist. Start the server once (npm start), or run this in ` +
        'the directory, and with the environment, of the one that runs.',
      'no-accounts',
    )
  }
}

async function openSessions(
  config: Config,
  accounts: AccountStore,
  services: ServiceStack,
): Promise<Sessions> {
  const { target, durability, keySpace } = await findRedis(config, services, null)
  const { sessions: domain } = await keysOf(config, accounts, { target, keySpace })
  const redis = openRedis(target, 'commands', { name: 'cli' })
  await services.start(redisService(redis))
  // Without a subscriber: it holds nothing that anybody would have to wait for.
  const coherence = await startCoherence(config, { target, durability }, { redis, domain }, services)
  return services.start(createSessions({ ...config.sessions, redis, coherence, cache: 'redis' }))
}

/** What all workers share, for a process that announces to them and is none of them. */
interface Cluster {
  readonly target: Exclude<RedisTarget, { kind: 'embedded' }>
  readonly redis: Redis
  readonly coherence: Coherence
  readonly keys: DeploymentKeys
}

async function openCluster(
  config: Config,
  accounts: AccountStore,
  services: ServiceStack,
  searchPath: string,
): Promise<Cluster> {
  const { target, durability, keySpace } = await findRedis(config, services, searchPath)
  const keys = await keysOf(config, accounts, { target, keySpace })
  const redis = openRedis(target, 'commands', { name: 'cli' })
  await services.start(redisService(redis))
  const domain = keys.sessions
  const coherence = await startCoherence(config, { target, durability }, { redis, domain }, services)
  return { target, redis, coherence, keys }
}

async function startCoherence(
  config: Config,
  { target, durability }: Pick<FoundRedis, 'target' | 'durability'>,
  { redis, domain }: { readonly redis: Redis; readonly domain: string },
  services: ServiceStack,
): Promise<Coherence> {
  if (durability !== 'failover') {
    return services.start(openCoherence({ ...config.sessions, domain, redis, durability }))
  }
  if (config.redisNodes === null) {
    throw new CommandFailed('sessions live through failovers there: set the same REDIS_NODES here')
  }
  const failover = await services.start(openFailover(target, config.redisNodes, { name: 'cli' }))
  return services.start(openCoherence({ ...config.sessions, domain, redis, durability, failover }))
}

async function openSettings(
  config: Config,
  { redis, coherence, keys }: Cluster,
  app: App | null,
): Promise<Settings<RuntimeSettings>> {
  const followers: Follower[] = []
  const settings = followRuntimeSettings({
    config,
    redis,
    key: keys.settings,
    coherence: { ...coherence, follow: (_kind, follower) => void followers.push(follower) },
    sessions: { setCacheMode() {} },
    log: createLogger({ level: 'silent', pretty: false }),
    ...(app?.settings ? { own: app.settings } : {}),
  })
  for (const follower of followers) await follower.refresh()
  return settings
}

async function openLimitsOf(
  config: Config,
  cluster: Cluster,
  { services, app }: { readonly services: ServiceStack; readonly app: App | null },
): Promise<Pick<Limits, 'limiter' | 'guard'>> {
  const settings = await openSettings(config, cluster, app)
  const redis = openRedis(config.limitsRedis ?? cluster.target, 'commands', { name: 'cli-limits' })
  await services.start(redisService(redis))
  return services.start(
    openLimits({
      redis,
      coherence: cluster.coherence,
      limits: limitsOf(settings.current().values),
      policies: app?.limits ?? [],
      prefix: cluster.keys.limits,
    }),
  )
}

interface FoundRedis {
  readonly target: Exclude<RedisTarget, { kind: 'embedded' }>
  readonly durability: DurabilityMode
  /** Null when no server that runs on this host says. */
  readonly keySpace: string | null
}

/** A running server knows; its private Redis runs only with it, unless it may be started for this command. */
async function findRedis(
  config: Config,
  services: ServiceStack,
  searchPath: string | null,
): Promise<FoundRedis> {
  const { redis } = config
  try {
    const { embeddedUrl, durability, keySpace } = await askServer(config.dataDir, { command: 'redis' })
    if (redis.kind !== 'embedded') return { target: redis, durability, keySpace }
    if (embeddedUrl !== null) return { target: { kind: 'single', url: embeddedUrl }, durability, keySpace }
    throw new CommandFailed('the server uses the Redis of its REDIS_URL: set the same REDIS_URL here')
  } catch (cause) {
    if (!(cause instanceof ServerNotRunning)) throw cause
  }
  if (redis.kind === 'embedded' && searchPath === null) {
    throw new CommandFailed(
      `the sessions are in the private Redis of the server with DATA_DIR=${config.dataDir}, which does not run. ` +
        'Start it (npm start) and run this again.',
      'not-running',
    )
  }
  const log = createLogger({ level: 'silent', pretty: false })
  // No one may start a server on the directory meanwhile.
  if (redis.kind === 'embedded') await services.start(createDataDirectory(config.dataDir))
  return {
    ...(await prepareRedis({ config, searchPath: searchPath ?? '', log, services })),
    keySpace: null,
  }
}

/** Where the sessions of this deployment are. Never made up here: a command that worked on others' would say it is done. */
async function keysOf(
  config: Config,
  { deployments }: AccountStore,
  { target, keySpace }: Pick<FoundRedis, 'target' | 'keySpace'>,
): Promise<DeploymentKeys> {
  if (keySpace !== null) return deploymentKeys(keySpace)
  const found = await findDeployment(deployments, config.appName)
  if (found === null) {
    const { spaces } = await deployments.describe()
    const names = [...spaces.keys()].filter((name) => name !== '')
    throw new CommandFailed(
      `no server was started with these accounts ${config.appName === null ? 'yet' : `and APP_NAME=${config.appName}`}` +
        (names.length > 0 ? `: set APP_NAME to ${names.join(' or ')}` : ': start it once (npm start)'),
      'no-deployment',
    )
  }
  const redis = openRedis(target, 'commands', { name: 'cli' })
  try {
    const [{ id }, marker] = await Promise.all([deployments.describe(), readMarker(redis, found.keys)])
    const places = placesOf(config, target)
    const problem = markerProblem(marker, id, { keys: found.keys, places })
    if (problem !== null) throw new CommandFailed(problem, 'another-deployment')
    return found.keys
  } finally {
    await redisService(redis).stop(deadlineIn(closingMs))
  }
}
