/** What can happen to three data nodes of Redis. Each fault heals what it broke, and is over when all are back. */
import { setTimeout as wait } from 'node:timers/promises'
import { eventually } from '../support/eventually.ts'
import type { Party, RedisCluster, RedisNode, SentinelSet } from '../support/redis-topology.ts'
import type { ChaosTarget } from '../chaos/target.ts'

/** The nodes that hold the sessions, whichever way they are run. */
export interface Shard {
  readonly kind: 'Sentinel' | 'Redis Cluster'
  readonly url: string
  primary(): Promise<RedisNode>
  replicas(): Promise<RedisNode[]>
  /** Who lives on the host of the primary with it, such as a Sentinel. */
  readonly companions: readonly RedisNode[]
  /** Makes sure that no node but this one is promoted. */
  preferOnly(heir: RedisNode, others: readonly RedisNode[]): Promise<void>
  /** Promotes a replica although nothing is wrong: in agreement with the primary, or without asking it. */
  planned(): Promise<void>
  cut(side: readonly Party[], other?: readonly Party[]): { heal(): void }
  cutReplication(primary: RedisNode): { heal(): void }
  stop(): Promise<void>
}

/** Those who use the workers on these nodes meanwhile. */
export interface People {
  readonly target: ChaosTarget
  /** Resolves when each worker answers somebody who had signed in before: with yes or no, but not with 503. */
  served(): Promise<void>
}

export type Sessions = 'live on' | 'end' | 'live on or end'

export interface Fault {
  readonly name: string
  /** What must be true of those who were signed in. */
  readonly sessions: Sessions | Readonly<Record<Shard['kind'], Sessions>>
  /** The kinds in which `npm test` tries it; the long run tries all. */
  readonly everyRun: readonly Shard['kind'][]
  run(shard: Shard, people: People): Promise<void>
}

const domainKey = '{sx}:c'

export function sentinelShard(set: SentinelSet): Shard {
  return {
    kind: 'Sentinel',
    url: set.url,
    primary: set.primary,
    replicas: set.replicas,
    companions: set.sentinels.slice(2),
    async preferOnly(_heir, others) {
      for (const node of others) await node.command('CONFIG', 'SET', 'replica-priority', 0)
      // The Sentinels read it with INFO, every ten seconds while all is well.
      await eventually(async () => {
        for (const sentinel of set.sentinels) {
          const known = (await sentinel.command('SENTINEL', 'REPLICAS', set.name)) as string[][]
          const barred = known.filter((fields) => fields[fields.indexOf('slave-priority') + 1] === '0')
          if (barred.length !== others.length) throw new Error('a Sentinel has not read the priorities yet')
        }
      })
    },
    planned: set.failover,
    cut: set.cut,
    cutReplication: set.cutReplication,
    stop: set.stop,
  }
}

export function clusterShard(cluster: RedisCluster): Shard {
  const primary = () => cluster.primaryOf(domainKey)
  const replicas = async () => cluster.replicasOf(await primary())
  return {
    kind: 'Redis Cluster',
    url: cluster.url,
    primary,
    replicas,
    companions: [],
    async preferOnly(_heir, others) {
      for (const node of others) await node.command('CONFIG', 'SET', 'cluster-replica-no-failover', 'yes')
    },
    async planned() {
      const [heir] = await replicas()
      await cluster.failover(heir!)
    },
    cut: cluster.cut,
    cutReplication: cluster.cutReplication,
    stop: cluster.stop,
  }
}

async function untilReplaced(shard: Shard, old: RedisNode): Promise<RedisNode> {
  return eventually(async () => {
    const primary = await shard.primary()
    if (primary === old) throw new Error('nobody has taken over yet')
    return primary
  }, 40_000)
}

export const killed: Fault = {
  name: 'the primary is killed',
  sessions: 'live on',
  everyRun: ['Sentinel'],
  async run(shard, { served }) {
    const old = await shard.primary()
    await old.kill()
    await untilReplaced(shard, old)
    await served()
    await old.restart()
  },
}

export const frozen: Fault = {
  name: 'the host of the primary hangs',
  sessions: 'live on',
  everyRun: ['Sentinel'],
  async run(shard, { served }) {
    const old = await shard.primary()
    const host = [old, ...shard.companions]
    for (const node of host) node.freeze()
    await untilReplaced(shard, old).finally(async () => {
      await served()
      for (const node of host) node.thaw()
    })
  },
}

export const cutBeforeKill: Fault = {
  name: 'replication is cut, then the primary is killed',
  sessions: 'live on',
  everyRun: [],
  async run(shard, { served }) {
    const old = await shard.primary()
    const cut = shard.cutReplication(old)
    await wait(1_500)
    await old.kill()
    cut.heal()
    await untilReplaced(shard, old)
    await served()
    await old.restart()
  },
}

export const laggard: Fault = {
  name: 'a replica that lagged behind is promoted',
  sessions: 'end',
  everyRun: [],
  async run(shard, { served }) {
    const old = await shard.primary()
    const [heir, ...others] = await shard.replicas()
    await shard.preferOnly(heir!, others)
    const cut = shard.cut([old], [heir!])
    // Meanwhile the others confirm what it does not hear of.
    await wait(2_500)
    await old.kill()
    cut.heal()
    await untilReplaced(shard, old)
    await served()
    await old.restart()
  },
}

/**
 * Sentinel promotes first, and stops the old primary later: what the other replica has received meanwhile, the promoted
 * one lacks, and in doubt everybody signs in again. Pausing writes before avoids that; Redis Cluster does it by itself.
 */
export const planned: Fault = {
  name: 'a failover is asked for',
  sessions: { Sentinel: 'live on or end', 'Redis Cluster': 'live on' },
  everyRun: ['Redis Cluster'],
  async run(shard, { served }) {
    await shard.planned()
    await wait(4_000)
    await served()
  },
}

export const plannedWithPause: Fault = {
  name: 'writes are paused, then a failover is asked for',
  sessions: 'live on',
  everyRun: [],
  async run(shard, { served }) {
    const old = await shard.primary()
    await old.command('CLIENT', 'PAUSE', 3_000, 'WRITE')
    await shard.planned()
    await wait(4_000)
    await served()
  },
}

export const partition: Fault = {
  name: 'the primary and one worker are cut off from everybody',
  sessions: 'live on',
  everyRun: [],
  async run(shard, { target }) {
    const old = await shard.primary()
    const [worker] = target.pids()
    const cut = shard.cut([old, ...shard.companions, { pid: worker! }])
    await untilReplaced(shard, old).finally(async () => {
      // The others are served; who is cut off with the old primary is not, and must not be.
      await wait(8_000)
      cut.heal()
    })
  },
}

export const alone: Fault = {
  name: 'both replicas go away and come back',
  sessions: 'live on',
  everyRun: [],
  async run(shard, { served }) {
    const replicas = await shard.replicas()
    for (const node of replicas) await node.kill()
    await wait(3_000)
    const primary = await shard.primary()
    for (const node of replicas) {
      await node.restart()
      // What makes it a replica is not in the file of a test.
      if (shard.kind === 'Sentinel') {
        const [host, port] = primary.address.split(':')
        await node.command('REPLICAOF', host!, port!)
      }
    }
    await served()
  },
}

export function sessionsAfter({ sessions }: Fault, { kind }: Shard): Sessions {
  return typeof sessions === 'string' ? sessions : sessions[kind]
}

export const everyFault: readonly Fault[] = [
  killed,
  frozen,
  cutBeforeKill,
  laggard,
  planned,
  plannedWithPause,
  partition,
  alone,
]
