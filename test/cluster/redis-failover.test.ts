import { expect } from 'chai'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { admin, refusedStart, startCluster, withoutLimits, type ClusterOptions } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { signIn } from '../support/http.ts'
import {
  startRedisCluster,
  startSentinelSet,
  type RedisNode,
  type SentinelSetOptions,
} from '../support/redis-topology.ts'
import { startRedis } from '../support/redis.ts'
import { verdicts } from '../support/users.ts'

describe('when Redis fails over', function () {
  this.timeout(120_000)
  const cleanUp = cleanUpAfterEach()

  async function sentinelSet(options: SentinelSetOptions = {}) {
    const set = await startSentinelSet(options)
    cleanUp(() => set.stop())
    return set
  }

  async function start(options: ClusterOptions) {
    const cluster = await startCluster({ ...options, env: { ...withoutLimits, ...options.env } })
    cleanUp(() => cluster.stop())
    return cluster
  }

  interface Shard {
    readonly url: string
    /** The server that holds the sessions, and who may take its place. */
    nodes(): Promise<{ primary: RedisNode; replicas: RedisNode[] }>
  }
  const kinds: Record<string, () => Promise<Shard>> = {
    async Sentinel() {
      const set = await sentinelSet({ persistence: 'always' })
      return {
        url: set.url,
        nodes: async () => ({ primary: await set.primary(), replicas: await set.replicas() }),
      }
    },
    async 'Redis Cluster'() {
      const cluster = await startRedisCluster({ masters: 3, replicasPerMaster: 1, persistence: 'always' })
      cleanUp(() => cluster.stop())
      return {
        url: cluster.url,
        async nodes() {
          for (const primary of cluster.nodes) {
            const replicas = await cluster.replicasOf(primary)
            // The record of the coherence domain, in whose slot the sessions are.
            const found = (await primary.command('KEYS', '{sx*}:c')) as string[]
            if (found.length > 0 && replicas.length > 0) return { primary, replicas }
          }
          throw new Error('no node has sessions')
        },
      }
    },
  }

  for (const [kind, begin] of Object.entries(kinds)) {
    it(`a ${kind} failover revives no logged-out session by a default choice of ours`, async () => {
      const shard = await begin()
      const cluster = await start({ redisUrl: shard.url })
      const person = await signIn(cluster.url, { ...admin, transport: 'token' })
      expect(await verdicts(cluster, person)).to.deep.equal([200, 200])

      const { primary, replicas } = await shard.nodes()
      for (const replica of replicas) replica.freeze()
      expect((await person.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
      await primary.kill()
      for (const replica of replicas) replica.thaw()

      const seen = new Set<number>()
      await eventually(async () => {
        const answers = await verdicts(cluster, person)
        for (const status of answers) seen.add(status)
        expect(answers).to.deep.equal([401, 401])
      }, 60_000)
      expect([...seen]).not.to.include(200)
      const again = await eventually(() => signIn(cluster.url, { ...admin, transport: 'token' }))
      expect(await verdicts(cluster, again)).to.deep.equal([200, 200])
    })
  }

  it('a start refuses to keep sessions where a replica could be promoted', async () => {
    const set = await sentinelSet({ replicas: 1, sentinels: 1, persistence: 'always' })
    const keep = { SESSION_DURABILITY: 'keep' }
    const { code, output } = await refusedStart({ redisUrl: set.url, env: keep })
    expect(code).to.equal(78)
    expect(output).to.contain("SESSION_DURABILITY=keep can't be kept: Sentinel promotes a replica")

    const primary = await set.primary()
    const direct = await refusedStart({ redisUrl: `redis://${primary.address}`, env: keep })
    expect(direct.code).to.equal(78)
    expect(direct.output).to.contain("can't be kept: Redis has 1 replica")
  })

  it('a start says aloud that a Redis which does not sync can not keep what was chosen to be kept', async () => {
    const redis = await startRedis({ persistence: 'everysec' })
    cleanUp(() => redis.stop())
    const cluster = await start({ workers: 1, redisUrl: redis.url, env: { SESSION_DURABILITY: 'keep' } })
    const warnings = cluster.logged().filter(({ level }) => level === 'warn')
    expect(warnings.map(({ msg }) => msg)).to.have.length(1)
    expect(warnings[0]?.msg).to.match(/^SESSION_DURABILITY=keep, but Redis may lose its last writes/)
  })
})
