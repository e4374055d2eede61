import { startRedis } from '../support/redis.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { createClients } from './clients.ts'
import { judge, tellStory, type ChaosEvent, type Verdict } from './history.ts'
import { redisFaults, torment, workerFaults, type Fault } from './nemesis.ts'
import { createRandom } from './random.ts'
import type { ChaosTarget } from './target.ts'

export interface Outcome {
  readonly verdict: Verdict
  readonly history: readonly ChaosEvent[]
  /** What was done to the cluster, how often. */
  readonly faults: ReadonlyMap<string, number>
  /** What happened to the sessions that were treated wrongly; empty when none was. */
  readonly story: string
}

export interface ChaosOptions {
  readonly durationMs: number
  readonly seed: number
  /** Faults that go on at the same time, each list one after the other. */
  readonly faults?: readonly Readonly<Record<string, Fault>>[]
  /** Enough has been seen once a session was accepted wrongly. */
  readonly untilStale?: boolean
}

/** Lets clients use the cluster that `start` starts in front of a Redis that is tormented, and judges what they saw. */
export async function runChaos(
  start: (redisUrl: string) => Promise<ChaosTarget>,
  { durationMs, seed, faults: ways = [workerFaults, redisFaults], untilStale = false }: ChaosOptions,
): Promise<Outcome> {
  const random = createRandom(seed)
  const redis = await startRedis({ persistence: 'always' })
  const { hostname, port } = new URL(redis.url)
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) })
  try {
    const target = await start(`redis://127.0.0.1:${proxy.port}`)
    try {
      const clients = createClients(target, random)
      const { history } = clients
      const end = performance.now() + durationMs
      const isOver = () => performance.now() >= end || (untilStale && hasStaleAccept(history))
      const tormenting = torment({ target, redis, proxy, history, random }, ways, isOver)
      await clients.run(durationMs, isOver)
      const faults = await tormenting
      const verdict = judge(history)
      return { verdict, history, faults, story: storyOf(verdict, history) }
    } finally {
      await target.stop()
    }
  } finally {
    await proxy.stop()
    await redis.stop()
  }
}

function hasStaleAccept(history: readonly ChaosEvent[]): boolean {
  const { staleAccepts, staleDeliveries } = judge(history)
  return staleAccepts.length + staleDeliveries.length > 0
}

function storyOf(verdict: Verdict, history: readonly ChaosEvent[]): string {
  const wronged = new Set(
    [...verdict.staleAccepts, ...verdict.staleDeliveries, ...verdict.spuriousRefusals].map(
      ({ session }) => session,
    ),
  )
  return [...wronged]
    .slice(0, 3)
    .map((session) => tellStory(history, session))
    .join('\n\n')
}
