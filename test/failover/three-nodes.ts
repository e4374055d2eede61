/**
 * Three data nodes without anybody who watches them: a test promotes by hand, at the moment that it wants, and talks to
 * each node through a worker of its own. What takes Sentinel seconds happens here at once.
 */
import { openFailover } from '../../shared/kernel/redis/failover.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import type { CoherenceOptions } from '../../shared/coherence/index.ts'
import { startSentinelSet, type RedisNode } from '../support/redis-topology.ts'
import { startSessionWorker, type TestWorker } from '../support/sessions.ts'

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

/** A worker that talks to this node, whoever else is a primary. */
export async function startWorkerAt(
  { address }: RedisNode,
  options: Partial<CoherenceOptions> = {},
): Promise<TestWorker> {
  const url = `redis://${address}`
  const failover = openFailover({ kind: 'single', url }, 3)
  await failover.start()
  const worker = await startSessionWorker(url, { durability: 'failover', failover, ...options })
  return {
    ...worker,
    async stop() {
      await worker.stop()
      await failover.stop(deadlineIn(1_000))
    },
  }
}

/** Makes `heir` a primary, and has the others follow it. The old primary, when it is not among them, does not notice. */
export async function promote(heir: RedisNode, followers: readonly RedisNode[]): Promise<void> {
  await heir.command('REPLICAOF', 'NO', 'ONE')
  const [host = '', port = ''] = heir.address.split(':')
  for (const node of followers) await node.command('REPLICAOF', host, port)
}
