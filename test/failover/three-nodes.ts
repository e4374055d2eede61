/**
 * Three data nodes without anybody who watches them: a test promotes by hand, at the moment that it wants, and talks to
 * each node through a worker of its own. What takes Sentinel seconds happens here at once.
 */
import { deadlineIn, group } from '../../shared/kernel/lifecycle.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { openFailover } from '../../shared/kernel/redis/failover.ts'
import { createSessions } from '../../shared/sessions/create-sessions.ts'
import { startSentinelSet, type RedisNode } from '../support/redis-topology.ts'
import type { TestWorker } from '../support/sessions.ts'
import { openCoherenceWithout, type Rule } from './flawed-coherence.ts'

export interface ThreeNodes {
  /** The primary and its replicas, as they are at the start. */
  readonly nodes: readonly [RedisNode, RedisNode, RedisNode]
  cut(side: readonly RedisNode[], other: readonly RedisNode[]): { heal(): void }
  stop(): Promise<void>
}

export async function startThreeNodes(): Promise<ThreeNodes> {
  const set = await startSentinelSet({ sentinels: 0, partitions: true })
  return { nodes: set.nodes as unknown as ThreeNodes['nodes'], cut: set.cut, stop: set.stop }
}

export interface WorkerOptions {
  readonly leaseMs?: number
  /** The rule that this worker does not know. */
  readonly without?: Rule | null
}

/** A worker that talks to this node, whoever else is a primary. */
export async function startWorkerAt(
  { address }: RedisNode,
  { leaseMs = 1_000, without = null }: WorkerOptions = {},
): Promise<TestWorker> {
  const target = { kind: 'single', url: `redis://${address}` } as const
  const redis = openRedis(target, 'commands')
  const subscriber = openRedis(target, 'subscriber')
  const failover = openFailover(target, 3)
  const coherence = openCoherenceWithout(without, { redis, subscriber, failover, leaseMs })
  const sessions = createSessions({
    redis,
    coherence,
    // Made at once: a test need not wait for one.
    tokenKey: 'k'.repeat(43),
    cache: 'coherent',
    idleMs: 60_000,
    absoluteMs: 600_000,
    rememberAbsoluteMs: 3_600_000,
    maxPerUser: 20,
  })
  const service = group([redisService(redis), redisService(subscriber), failover, coherence, sessions])
  await service.start()
  return { sessions, coherence, stop: () => service.stop(deadlineIn(2_000)) }
}

/** Makes `heir` a primary, and has the others follow it. The old primary, when it is not among them, does not notice. */
export async function promote(heir: RedisNode, followers: readonly RedisNode[]): Promise<void> {
  await heir.command('REPLICAOF', 'NO', 'ONE')
  const [host = '', port = ''] = heir.address.split(':')
  for (const node of followers) await node.command('REPLICAOF', host, port)
}
