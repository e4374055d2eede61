/**
 * What job workers share with web workers: sessions, limits and settings. They hold none of it in memory, so no one who
 * ends a session or changes a setting has to wait for a job that keeps its process busy; except while a job runs here on
 * behalf of a session or a user, which is told of its end first (shared/live/behalf-watch.ts).
 */
import type { Redis } from 'ioredis'
import type { App } from '../shared/app/app.ts'
import { createParts } from '../shared/app/create-parts.ts'
import type { Parts } from '../shared/app/parts.ts'
import { assignedDurability, openCoherence, type Follower } from '../shared/coherence/index.ts'
import type { Config, RedisTarget } from '../shared/config/config.ts'
import type { DeploymentKeys } from '../shared/deployment/deployment-keys.ts'
import type { Deadline, Service } from '../shared/kernel/lifecycle.ts'
import { openRedis } from '../shared/kernel/redis/connections.ts'
import { openFailover } from '../shared/kernel/redis/failover.ts'
import { createBehalfWatch, stands } from '../shared/live/behalf-watch.ts'
import { createBroadcast } from '../shared/live/broadcast.ts'
import { createSessionWatch } from '../shared/live/session-watch.ts'
import { openLimits } from '../shared/limits/open-limits.ts'
import type { Behalf, BehalfWatch } from '../shared/queues/behalf.ts'
import type { Queues } from '../shared/queues/queues.ts'
import { createSessions } from '../shared/sessions/index.ts'
import { followRuntimeSettings, ownSettings } from '../shared/settings/runtime-settings.ts'
import type { Logger } from '../shared/telemetry/log.ts'
import { mail } from './features.ts'

export interface SharedOptions {
  readonly config: Config
  readonly target: Exclude<RedisTarget, { kind: 'embedded' }>
  /** What this process is called on its host. */
  readonly workerId: string
  readonly keys: DeploymentKeys
  readonly redis: Redis
  readonly queues: Queues
  readonly app: App
  readonly log: Logger
}

export interface Shared {
  readonly lockstep: Omit<Parts, 'services'>
  /** Reads the settings as they are now. */
  beforeRun(): Promise<void>
  readonly behalves: BehalfWatch
  stands(behalf: Behalf): Promise<boolean>
  readonly services: readonly Service[]
}

export function openShared(options: SharedOptions): Shared {
  const { config, target, workerId, keys, redis, queues, app, log } = options
  const durability = assignedDurability(config.sessions.durability)
  const failover =
    durability === 'failover' ? openFailover(target, config.redisNodes ?? 0, { name: workerId }) : undefined
  const domain = { ...config.sessions, redis, durability, failover, domain: keys.sessions }
  const coherence = openCoherence(domain)
  const sessions = createSessions({ ...config.sessions, redis, coherence, cache: 'redis' })
  const behalf = watchBehalves()
  const limits = openLimits({
    redis,
    coherence,
    limits: config.limits,
    policies: app.limits ?? [],
    prefix: keys.limits,
  })
  const followers: Follower[] = []
  const settings = followRuntimeSettings({
    config,
    redis,
    coherence: { ...coherence, follow: (_kind, follower) => void followers.push(follower) },
    sessions: { setCacheMode() {} },
    log,
    key: keys.settings,
    onLimits: limits.follow,
    ...(app.settings ? { own: app.settings } : {}),
  })
  const lockstep = createParts({
    queues,
    sessions,
    limiter: limits.limiter,
    settings: ownSettings(settings, app.settings),
    broadcast: createBroadcast({ redis, prefix: keys.live }),
    log,
    mailJob: mail,
  })
  function watchBehalves() {
    const subscriber = openRedis(target, 'subscriber', { name: `${workerId}-subscriber` })
    const membership = openCoherence({ ...domain, subscriber, place: workerId })
    const standings = createSessions({
      ...config.sessions,
      redis,
      coherence: membership,
      cache: 'redis',
      onInvalidated: (ended) => watch.invalidated(ended),
    })
    const watch = createSessionWatch({
      sessions: standings,
      coherence: membership,
      bounds: { acknowledgeMs: Infinity },
    })
    const behalves = createBehalfWatch({ coherence: membership, standings, watch })
    return {
      ...behalves,
      async stop(deadline: Deadline) {
        await behalves.stop(deadline)
        subscriber.disconnect()
      },
    }
  }

  return {
    behalves: behalf,
    stands: (asked) => stands(sessions, asked),
    lockstep,
    async beforeRun() {
      if (app.settings !== undefined) await Promise.all(followers.map((follower) => follower.refresh()))
    },
    services: [...(failover ? [failover] : []), coherence, sessions, limits, behalf],
  }
}
