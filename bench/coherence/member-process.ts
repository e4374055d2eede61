/**
 * Members of one coherence domain, each with connections of its own, as many in one process as its parent says. They
 * announce when they are told to, and report how long each announcement took to be true on every member.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { openCoherence, type Coherence } from '../../shared/coherence/index.ts'
import { group } from '../../shared/kernel/lifecycle.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'

export interface JoinOrder {
  readonly redisUrl: string
  readonly members: number
}

export interface AnnounceOrder {
  /** Announcements that are under way at the same time. */
  readonly atOnce: number
  /** Between the end of one and the beginning of the next, by which one goes on. */
  readonly pauseMs: number
  readonly forMs: number
}

let domain: readonly Coherence[] = []

async function join({ redisUrl, members }: JoinOrder): Promise<void> {
  const target = { kind: 'single', url: redisUrl } as const
  domain = await Promise.all(
    Array.from({ length: members }, async () => {
      const redis = openRedis(target, 'commands')
      const subscriber = openRedis(target, 'subscriber')
      const coherence = openCoherence({ redis, subscriber, durability: 'keep', leaseMs: 1_000 })
      coherence.follow('bench', { apply() {}, refresh() {} })
      await group([redisService(redis), redisService(subscriber), coherence]).start()
      return coherence
    }),
  )
}

async function announce({ atOnce, pauseMs, forMs }: AnnounceOrder): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + forMs
  async function goOn(coherence: Coherence): Promise<void> {
    while (performance.now() < end) {
      const start = performance.now()
      await coherence.announce('bench', 'x')
      times.push(performance.now() - start)
      if (pauseMs > 0) await pause(pauseMs * (0.5 + Math.random()))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, (_, i) => goOn(domain[i % domain.length]!)))
  return times
}

process.on('message', async (order: JoinOrder | AnnounceOrder) => {
  process.send?.('members' in order ? (await join(order), []) : await announce(order))
})
process.once('disconnect', () => process.exit(0))
