import type { Redis } from 'ioredis'
import type { DurabilityMode } from '../../../shared/coherence/index.ts'
import type { Service } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { reading, type Labels, type Reading } from '../../../shared/telemetry/metrics/reading.ts'
import { ailmentsOf, askHealth, refusesAfterSnapshots, type RedisHealth } from '../boot/redis-health.ts'

export interface RedisWatchOptions {
  readonly redis: Redis
  readonly durability: DurabilityMode
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly everyMs?: number
}

export interface RedisWatch extends Service {
  /** What was seen last; nothing while Redis does not answer. */
  read(): Reading[]
}

/**
 * Looks every so often how Redis is doing, says in the log what someone should do something about, once when it
 * begins and once when it is over, and keeps the numbers for the metrics.
 */
export function watchRedis({ redis, durability, log, everyMs = 10_000 }: RedisWatchOptions): RedisWatch {
  let seen: readonly RedisHealth[] = []
  let refuses: boolean | null = null
  const told = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()

  async function look(): Promise<void> {
    try {
      seen = await askHealth(redis)
      if (seen.some(({ snapshotFailing }) => snapshotFailing)) refuses = await refusesAfterSnapshots(redis)
      tell()
    } catch {
      // That it does not answer is said elsewhere, by everything that needs it.
      seen = []
    }
  }

  function tell(): void {
    const now = new Map<string, { severe: boolean; text: string }>()
    for (const health of seen) {
      const where = health.node === null ? 'Redis' : `Redis at ${health.node}`
      for (const { kind, severe, text } of ailmentsOf(health, refuses)) {
        now.set(`${kind} of ${where}`, { severe, text: `${where}: ${text}` })
      }
      if (durability === 'keep' && health.replicas > 0 && health.node === null) {
        now.set('replicas', {
          severe: true,
          text:
            `${where} has a replica since the start, which may be promoted without the last logouts: sessions are ` +
            'kept over that (SESSION_DURABILITY). Restart the server, or set durable if the service keeps what it ' +
            'acknowledged',
        })
      }
    }
    for (const [kind, { severe, text }] of now) {
      if (told.has(kind)) continue
      told.add(kind)
      log[severe ? 'error' : 'warn'](text)
    }
    for (const kind of told) {
      if (now.has(kind)) continue
      told.delete(kind)
      log.info(`${kind} is well again`)
    }
  }

  function schedule(): void {
    timer = setTimeout(() => {
      looking = look().then(() => {
        if (timer !== undefined) schedule()
      })
    }, everyMs)
  }

  return {
    async start() {
      await look()
      schedule()
    },
    async stop() {
      clearTimeout(timer)
      timer = undefined
      await looking
    },
    read: () =>
      seen.flatMap((health) => {
        const labels: Labels = health.node === null ? {} : { node: health.node }
        return [
          reading('lockstep_redis_memory_bytes', health.usedBytes, labels),
          ...(health.limitBytes === null
            ? []
            : [reading('lockstep_redis_memory_limit_bytes', health.limitBytes, labels)]),
          reading('lockstep_redis_replicas', health.replicas, labels),
          reading('lockstep_redis_disk_failing', health.snapshotFailing ? 1 : 0, {
            ...labels,
            what: 'snapshot',
          }),
          reading('lockstep_redis_disk_failing', health.appendFailing ? 1 : 0, { ...labels, what: 'append' }),
        ]
      }),
  }
}
