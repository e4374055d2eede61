/**
 * What job workers share with web workers: sessions, limits and settings. They hold none of it in memory, so nobody who
 * ends a session or changes a setting has to wait for a job that keeps its process busy.
 */
import type { Redis } from 'ioredis'
import type { App } from '../shared/app/app.ts'
import { createParts } from '../shared/app/create-parts.ts'
import type { Parts } from '../shared/app/parts.ts'
import { assignedDurability, openCoherence, type Follower } from '../shared/coherence/index.ts'
import type { Config } from '../shared/config/config.ts'
import type { DeploymentKeys } from '../shared/deployment/deployment-keys.ts'
import type { Service } from '../shared/kernel/lifecycle.ts'
import { createBroadcast } from '../shared/live/broadcast.ts'
import { openLimits } from '../shared/limits/open-limits.ts'
import type { Queues } from '../shared/queues/queues.ts'
import { createSessions } from '../shared/sessions/create-sessions.ts'
import { followRuntimeSettings, ownSettings } from '../shared/settings/runtime-settings.ts'
import type { Logger } from '../shared/telemetry/log.ts'
import { mail } from './features.ts'

export interface SharedOptions {
  readonly config: Config
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
  readonly services: readonly Service[]
}

export function openShared({ config, keys, redis, queues, app, log }: SharedOptions): Shared {
  const durability = assignedDurability(config.sessions.durability)
  const coherence = openCoherence({ ...config.sessions, redis, durability, domain: keys.sessions })
  const sessions = createSessions({ ...config.sessions, redis, coherence, cache: 'redis' })
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
  return {
    lockstep,
    async beforeRun() {
      if (app.settings !== undefined) await Promise.all(followers.map((follower) => follower.refresh()))
    },
    services: [coherence, sessions, limits],
  }
}
