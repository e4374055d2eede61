/** A Redis and workers of a rate limiter within the test's own process. */
import assert from 'node:assert/strict'
import type { Redis } from 'ioredis'
import { openCoherence } from '../../shared/coherence/index.ts'
import { systemClock, type Clock } from '../../shared/kernel/clock.ts'
import type { LimitPolicy, LimitRule } from '../../shared/limits/policy.ts'
import {
  createRateLimiter,
  type RateLimiter,
  type RateLimiterOptions,
} from '../../shared/limits/rate-limiter.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis, type TestRedisOptions } from '../support/redis.ts'

export interface World {
  readonly server: TestRedis
  /** A client for the test itself. */
  readonly redis: Redis
  open(purpose?: 'commands' | 'subscriber'): Redis
  /** One more worker, with a lease, connections and a memory of its own. */
  worker(options?: WorkerOptions): Promise<RateLimiter>
  end(): Promise<void>
}

export type WorkerOptions = Partial<Omit<RateLimiterOptions, 'redis' | 'coherence'>> & {
  readonly redis?: Redis
  /** Hears what the others announce. */
  readonly subscriber?: Redis
}

export async function createWorld(options?: TestRedisOptions): Promise<World> {
  const server = await startRedis(options)
  const clients: Redis[] = []
  const ends: (() => Promise<void>)[] = []

  function open(purpose: 'commands' | 'subscriber' = 'commands'): Redis {
    // Longer than any patience of a limiter: the answer is for it to wait for.
    const client = openRedis({ kind: 'single', url: server.url }, purpose, { commandTimeoutMs: 5_000 })
    clients.push(client)
    return client
  }

  const redis = open()
  return {
    server,
    redis,
    open,
    async worker(options = {}) {
      const connection = options.redis ?? open()
      const clock: Clock = options.clock ?? systemClock
      const subscriber = options.subscriber ?? open('subscriber')
      const coherence = openCoherence({ redis: open(), subscriber, durability: 'keep', leaseMs: 1_000 })
      const limiter = createRateLimiter({ policies: [], ...options, redis: connection, clock, coherence })
      await coherence.start()
      await eventually(() => assert(coherence.leaseOk(), 'no lease yet'))
      ends.push(async () => {
        await limiter.stop(deadlineIn(500))
        await coherence.stop(deadlineIn(500))
      })
      return limiter
    },
    async end() {
      for (const stop of ends) await stop().catch(() => {})
      for (const client of clients) client.disconnect()
      await server.stop()
    },
  }
}

/** The keys of all ledgers. */
export async function ledgersIn(redis: Redis): Promise<string[]> {
  return (await redis.keys('{lm}:*')).filter((key) => /^\{lm\}:[\w-]{16}$/.test(key))
}

/** A policy for tests: trusting and closed, unless said otherwise. */
export function policy(name: string, rule: LimitRule, options: Partial<LimitPolicy> = {}): LimitPolicy {
  return { name, rule, onOutage: 'closed', onDataLoss: 'trust', ...options }
}

/** How many of `count` takes are admitted, when they are asked for at once. */
export async function admitted(
  limiter: RateLimiter,
  name: string,
  key: string,
  count: number,
): Promise<number> {
  const decisions = await Promise.all(Array.from({ length: count }, () => limiter.take(name, key)))
  return decisions.filter(({ allowed }) => allowed).length
}
