import { expect } from 'chai'
import type { Redis } from 'ioredis'
import type { RedisTarget } from '../../shared/config/config.ts'
import { openRedis, redisService, type RedisPurpose } from '../../shared/kernel/redis/connections.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { createRedisNetwork } from '../support/redis-network.ts'
import { startRedis } from '../support/redis.ts'
import { startRedisCluster, startSentinelSet, type RedisNode } from '../support/redis-topology.ts'
import { rejection } from '../support/rejection.ts'

type Target = Exclude<RedisTarget, { kind: 'embedded' }>

describe('connections to Redis', function () {
  this.timeout(90_000)
  const cleanUp = cleanUpAfterEach()

  async function open(target: Target, purpose: RedisPurpose = 'commands', commandTimeoutMs = 1_000) {
    const client = openRedis(target, purpose, { commandTimeoutMs, name: 'of-a-test' })
    cleanUp(() => client.disconnect())
    await redisService(client).start()
    return client
  }

  async function single() {
    const redis = await startRedis()
    cleanUp(() => redis.stop())
    return redis
  }

  interface Kind {
    readonly target: Target
    readonly end: () => Promise<unknown>
    readonly begin: () => Promise<unknown>
  }
  const kinds: Record<string, () => Promise<Kind>> = {
    async 'a single server'() {
      const redis = await single()
      return {
        target: { kind: 'single', url: redis.url },
        end: () => redis.kill('SIGKILL'),
        begin: () => redis.restart(),
      }
    },
    async 'a primary under Sentinels'() {
      const set = await startSentinelSet({ replicas: 0, sentinels: 1 })
      cleanUp(() => set.stop())
      return { target: { kind: 'sentinel', url: set.url }, ...all([...set.nodes, ...set.sentinels]) }
    },
    async 'a Cluster'() {
      const cluster = await startRedisCluster({ masters: 3, replicasPerMaster: 0 })
      cleanUp(() => cluster.stop())
      return { target: { kind: 'cluster', url: cluster.url }, ...all(cluster.nodes) }
    },
  }

  function all(nodes: readonly RedisNode[]) {
    return {
      end: () => Promise.all(nodes.map((node) => node.kill())),
      begin: () => Promise.all(nodes.map((node) => node.restart())),
    }
  }

  for (const [kind, start] of Object.entries(kinds)) {
    it(`a command to ${kind} that is away is rejected within its bound, and does not run when it is back`, async () => {
      const { target, end, begin } = await start()
      const client = await open(target)
      await client.set('lease', 'of now')
      await end()
      await rejection(client.set('lease', 'of then'))
      const later = [client.set('lease', 'of then'), client.multi().set('lease', 'of then').exec()]
      await Promise.all(later.map((attempt) => rejection(expectAnswers(attempt))))
      await begin()
      await eventually(async () => expect(await client.set('other', 'x')).to.equal('OK'), 30_000)
      expect(await client.get('lease')).not.to.equal('of then')
    })
  }

  /** A pipeline resolves with the failures of its commands. */
  async function expectAnswers(attempt: Promise<unknown>): Promise<void> {
    const answers = await attempt
    for (const answer of Array.isArray(answers) ? answers : []) {
      const [failure] = Array.isArray(answer) ? (answer as unknown[]) : []
      if (failure instanceof Error) throw failure
    }
  }

  it('a command in flight on a connection that breaks is rejected at once, not when its time is over', async () => {
    const redis = await single()
    const client = await open({ kind: 'single', url: redis.url }, 'commands', 600_000)
    const inFlight = client.blpop('nothing', 0)
    const other = await open({ kind: 'single', url: redis.url })
    await eventually(async () => expect(await other.client('LIST')).to.contain('cmd=blpop'))
    await other.client('KILL', 'ID', await idOf(other, 'cmd=blpop'))
    expect(String(await rejection(inFlight))).to.contain('broke before it answered')
    expect(await client.ping()).to.equal('PONG')
  })

  async function idOf(client: Redis, mark: string): Promise<string> {
    const line =
      String(await client.client('LIST'))
        .split('\n')
        .find((text) => text.includes(mark)) ?? ''
    return /^id=(\d+)/.exec(line)?.[1] ?? ''
  }

  for (const purpose of ['commands', 'blocking'] as const) {
    it(`a primary that has become a replica behind its address is left: ${purpose}`, async () => {
      const [old, next] = [await single(), await single()]
      const network = createRedisNetwork()
      cleanUp(() => network.stop())
      const entry = await network.open({ pid: 0 }, 'data')
      const portOf = (url: string) => Number(new URL(url).port)
      entry.leadTo(portOf(old.url))
      const client = await open({ kind: 'single', url: `redis://127.0.0.1:${entry.port}` }, purpose)
      await client.set('greeting', 'hello')

      const demote = await open({ kind: 'single', url: old.url })
      await demote.replicaof('127.0.0.1', portOf(next.url))
      entry.leadTo(portOf(next.url))
      await eventually(async () => expect(await client.set('greeting', 'hello again')).to.equal('OK'))
      expect(await (await open({ kind: 'single', url: next.url })).get('greeting')).to.equal('hello again')
    })
  }

  it('in a Cluster, a subscriber whose peer is silently dead is noticed and made again', async () => {
    const cluster = await startRedisCluster({ masters: 3, replicasPerMaster: 0, partitions: true })
    cleanUp(() => cluster.stop())
    const subscriber = await open({ kind: 'cluster', url: cluster.url }, 'subscriber')
    const heard: string[] = []
    subscriber.on('message', (_channel, text) => heard.push(text))
    await subscriber.subscribe('news')
    const node = await holderOf(cluster.nodes, 'sub=1')
    const other = cluster.nodes.find((candidate) => candidate !== node)!
    await eventually(async () => {
      await other.command('PUBLISH', 'news', 'before')
      expect(heard).to.contain('before')
    })

    // Only this connection's node is cut off, and only from us: the cluster is well.
    const cut = cluster.cut([node], [{ pid: process.pid }])
    await eventually(async () => {
      await other.command('PUBLISH', 'news', 'after')
      expect(heard).to.contain('after')
    }, 30_000)
    cut.heal()
  })

  async function holderOf(nodes: readonly RedisNode[], mark: string): Promise<RedisNode> {
    for (const node of nodes) {
      if (String(await node.command('CLIENT', 'LIST')).includes(mark)) return node
    }
    throw new Error(`no node has a connection with ${mark}`)
  }

  it('in a Cluster, a subscriber tells that it was away when its node is killed', async () => {
    const cluster = await startRedisCluster({ masters: 3, replicasPerMaster: 0 })
    cleanUp(() => cluster.stop())
    const subscriber = await open({ kind: 'cluster', url: cluster.url }, 'subscriber')
    const heard: string[] = []
    const events: string[] = []
    subscriber.on('message', (_channel, text) => heard.push(text))
    for (const event of ['close', 'ready']) subscriber.on(event, () => events.push(event))
    await subscriber.subscribe('news')
    const node = await holderOf(cluster.nodes, 'sub=1')
    await node.kill()
    const other = cluster.nodes.find((candidate) => candidate !== node)!
    await eventually(async () => {
      await other.command('PUBLISH', 'news', 'after')
      expect(heard).to.contain('after')
    }, 30_000)
    expect(events[0]).to.equal('close')
    expect(events.at(-1)).to.equal('ready')
  })

  it('a failover that was planned is followed though nothing fails, and a Sentinel that hangs is passed over', async () => {
    const set = await startSentinelSet()
    cleanUp(() => set.stop())
    const client = await open({ kind: 'sentinel', url: set.url })
    const old = await set.primary()
    set.sentinels[0]!.freeze()
    await eventually(async () => {
      const [, , third] = set.sentinels
      await third!.command('SENTINEL', 'FAILOVER', set.name)
    }, 30_000)
    // It only reads, so that no READONLY tells it.
    await eventually(async () => {
      const info = await client.info('server')
      expect(info).not.to.contain(`tcp_port:${old.port}\r`)
      expect(await client.info('replication')).to.contain('role:master')
    }, 30_000)
    set.sentinels[0]!.thaw()
  })
})
