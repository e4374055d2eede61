import { expect } from 'chai'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedisCluster, startSentinelSet, type RedisNode } from '../support/redis-topology.ts'

describe('The Redis topologies of a test', function () {
  this.timeout(90_000)
  const cleanUp = cleanUpAfterEach()

  async function sentinelSet(options: Parameters<typeof startSentinelSet>[0] = {}) {
    const set = await startSentinelSet(options)
    cleanUp(() => set.stop())
    return set
  }

  async function offset(node: RedisNode): Promise<number> {
    return Number((await node.info('replication')).get('master_repl_offset'))
  }

  it('have Sentinels that promote a replica when the primary is killed or frozen, or on demand', async () => {
    const set = await sentinelSet()
    const first = await set.primary()
    await first.kill()
    const second = await eventually(async () => {
      const named = await set.primary()
      expect(named).not.to.equal(first)
      return named
    }, 30_000)
    await first.restart()
    await eventually(async () => expect(await set.replicas()).to.include(first), 30_000)

    await eventually(() => set.failover(), 30_000)
    expect(await set.primary()).not.to.equal(second)
    const third = await set.primary()
    third.freeze()
    await eventually(async () => expect(await set.primary()).not.to.equal(third), 30_000)
    third.thaw()
    await eventually(async () => expect(await set.replicas()).to.have.length(2), 30_000)
  })

  it('can cut the primary with one Sentinel off from the rest, which goes on without them', async () => {
    const set = await sentinelSet({ partitions: true })
    const old = await set.primary()
    const cut = set.cut([old, set.sentinels[0]!])
    await eventually(async () => expect(await set.primary()).not.to.equal(old), 30_000)
    expect((await old.info('replication')).get('role')).to.equal('master')
    const named = await set.sentinels[0]!.command('SENTINEL', 'get-master-addr-by-name', set.name)
    expect(named).to.deep.equal(['127.0.0.1', String(old.port)])
    cut.heal()
    await eventually(async () => expect(await set.replicas()).to.include(old), 60_000)
  })

  it('can cut the replication alone', async () => {
    const set = await sentinelSet({ partitions: true, sentinels: 1 })
    const primary = await set.primary()
    const cut = set.cutReplication(primary)
    await primary.command('SET', 'greeting', 'hello')
    expect(await primary.command('WAIT', 1, 300)).to.equal(0)
    cut.heal()
    await eventually(async () => {
      for (const replica of await set.replicas()) {
        expect(await replica.command('GET', 'greeting')).to.equal('hello')
        expect(await offset(replica)).to.be.at.least(1)
      }
    })
  })

  it('have a Cluster whose replicas take over a killed primary, one of a partition, and on demand', async () => {
    const cluster = await startRedisCluster({ partitions: true })
    cleanUp(() => cluster.stop())
    const first = await cluster.primaryOf('greeting')
    expect(await cluster.replicasOf(first)).to.have.length(2)
    await first.kill()
    const second = await eventually(async () => {
      const primary = await cluster.primaryOf('greeting')
      expect(primary).not.to.equal(first)
      return primary
    }, 30_000)
    await first.restart()
    await eventually(async () => expect(await cluster.replicasOf(second)).to.have.length(2), 30_000)

    const cut = cluster.cut([second])
    const elsewhere = cluster.nodes.find((node) => node !== second)!
    await eventually(async () => {
      const nodes = String(await elsewhere.command('CLUSTER', 'NODES'))
      expect(nodes.split('\n').find((line) => line.includes(second.address))).to.contain('fail')
      expect(await elsewhere.command('CLUSTER', 'INFO')).to.contain('cluster_state:ok')
    }, 30_000)
    cut.heal()
    const third = await eventually(async () => {
      const primary = await cluster.primaryOf('greeting')
      expect(await cluster.replicasOf(primary)).to.have.length(2)
      return primary
    }, 30_000)

    const [chosen] = await cluster.replicasOf(third)
    await cluster.failover(chosen!)
    await eventually(async () => expect(await cluster.primaryOf('greeting')).to.equal(chosen))
  })
})
