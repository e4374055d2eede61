import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { redisAddress } from '../../shared/config/addresses.ts'
import { Refusal } from '../../shared/config/grammar.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { defaultPrefix } from '../../shared/queues/keys.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedisCluster, startSentinelSet, type RedisNode } from '../support/redis-topology.ts'
import { startRedis } from '../support/redis.ts'
import { startCounting, type Counting } from './fixtures/counting.ts'
import { readRuns, startJobProcess } from './fixtures/job-processes.ts'

/** A set of data nodes, as these tests hurt it. */
interface Stage {
  readonly url: string
  primary(): Promise<RedisNode>
  replicas(primary: RedisNode): Promise<RedisNode[]>
  /** Promotes another one although nothing is wrong. */
  change(): Promise<void>
}

describe('jobs and schedules while Redis fails over', function () {
  this.timeout(150_000)
  const cleanUp = cleanUpAfterEach()

  const stages: Record<string, () => Promise<Stage>> = {
    async Sentinel() {
      const set = await startSentinelSet()
      cleanUp(() => set.stop())
      return {
        url: set.url,
        primary: set.primary,
        replicas: () => set.replicas(),
        change: () => set.failover(),
      }
    },
    async 'Redis Cluster'() {
      const cluster = await startRedisCluster({ masters: 3, replicasPerMaster: 2 })
      cleanUp(() => cluster.stop())
      const primary = () => cluster.primaryOf(`${defaultPrefix}:count`)
      return {
        url: cluster.url,
        primary,
        replicas: cluster.replicasOf,
        async change() {
          const [replica] = await cluster.replicasOf(await primary())
          await cluster.failover(replica!)
        },
      }
    },
  }

  const faults: Record<string, (stage: Stage, primary: RedisNode) => Promise<unknown> | void> = {
    'the primary is killed': (_stage, primary) => primary.kill(),
    'the primary hangs': (_stage, primary) => primary.freeze(),
    'the primary changes as planned': (stage) => stage.change(),
  }

  for (const [kind, start] of Object.entries(stages)) {
    for (const [what, strike] of Object.entries(faults)) {
      it(`${kind}: ${what}, no job is lost that a replica had, and schedules are back within 20 s`, async () => {
        const runs = await startRedis()
        cleanUp(() => runs.stop())
        const stage = await start()
        const asking = openRedis({ kind: 'single', url: runs.url }, 'commands')
        cleanUp(() => asking.disconnect())
        const counting = await startOn(stage.url)
        const schedules = [
          { name: 'interval', everyMs: 1_000, misfire: 'run-once', overlap: 'allow' },
          { name: 'cron', pattern: '* * * * * *', misfire: 'run-once', overlap: 'allow' },
        ] as const
        for (let i = 0; i < 2; i += 1) {
          const child = await startJobProcess({
            redisUrl: stage.url,
            runsUrl: runs.url,
            schedules,
            logLevel: 'silent',
          })
          cleanUp(() => child.kill())
        }
        await eventually(async () => expect(await ticksAfter(asking, 0)).to.include.keys('interval', 'cron'))

        const acknowledged: string[] = []
        for (let n = 0; n < 40; n += 1) acknowledged.push(await counting.enqueue({ n, ms: 200 }))
        for (let n = 40; n < 50; n += 1) acknowledged.push(await counting.enqueue({ n }, 4_000))
        const primary = await stage.primary()
        await expectReplicated(primary, await stage.replicas(primary))

        await strike(stage, primary)
        const struckAt = Date.now()
        await eventually(async () => {
          // Not the tick that was due at the fault, but those after it.
          expect(await ticksAfter(asking, struckAt + 1_000)).to.include.keys('interval', 'cron')
        }, 20_000)
        await eventually(async () => {
          const done = new Set(
            (await readRuns(asking)).flatMap(({ id, event }) => (event === 'done' ? [id] : [])),
          )
          expect(acknowledged.filter((id) => !done.has(id))).to.deep.equal([])
        }, 60_000)
        primary.thaw()
      })
    }
  }

  async function startOn(url: string): Promise<Counting> {
    const target = redisAddress.parse(url)
    if (target instanceof Refusal) throw new TypeError(url)
    const counting = await startCounting(target)
    cleanUp(() => counting.stop())
    return counting
  }

  async function expectReplicated(primary: RedisNode, replicas: readonly RedisNode[]): Promise<void> {
    const offset = Number((await primary.info('replication')).get('master_repl_offset'))
    await eventually(async () => {
      for (const replica of replicas) {
        const own = Number((await replica.info('replication')).get('slave_repl_offset'))
        expect(own).to.be.at.least(offset)
      }
    })
  }

  /** The schedules that have run for a tick after this time. */
  async function ticksAfter(runs: Redis, time: number): Promise<Record<string, number | null>> {
    const done = (await readRuns(runs)).filter(({ event, tick }) => event === 'done' && (tick ?? 0) > time)
    return Object.fromEntries(done.map(({ id, tick }) => [/interval|cron/.exec(id)?.[0] ?? id, tick]))
  }
})
