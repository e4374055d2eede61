import { expect } from 'chai'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { ailmentsOf, parseHealth } from '../../server/cluster/boot/redis-health.ts'
import { watchRedis } from '../../server/cluster/supervision/redis-watch.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedisOptions } from '../support/redis.ts'

describe('the watch over Redis', function () {
  this.timeout(30_000)
  const cleanUp = cleanUpAfterEach()

  async function watched(options: TestRedisOptions, durability: 'keep' | 'fence' = 'fence') {
    const server = await startRedis(options)
    cleanUp(() => server.stop())
    const redis = openRedis({ kind: 'single', url: server.url }, 'commands')
    cleanUp(() => redis.disconnect())
    const lines: [string, string][] = []
    const log = {
      info: (text: string) => lines.push(['info', text]),
      warn: (text: string) => lines.push(['warn', text]),
      error: (text: string) => lines.push(['error', text]),
    }
    const watch = watchRedis({ redis, durability, log: log as never, everyMs: 20 })
    cleanUp(() => watch.stop(deadlineIn(1_000)))
    await watch.start()
    return { server, redis, watch, lines }
  }

  function valueOf(watch: { read(): readonly object[] }, metric: string, labels = {}): unknown {
    const all = watch.read() as { metric: string; labels: object; value: number }[]
    return all.find((one) => one.metric === metric && JSON.stringify(one.labels) === JSON.stringify(labels))
      ?.value
  }

  it('says once when memory goes, and when it has room again', async () => {
    const { redis, watch, lines } = await watched({ config: { maxmemory: '20mb' } })
    expect(lines).to.deep.equal([])
    expect(valueOf(watch, 'lockstep_redis_memory_limit_bytes')).to.equal(20 * 2 ** 20)
    const ballast = Array.from({ length: 16 }, (_, i) => `ballast-${i}`)
    for (const key of ballast) await redis.set(key, Buffer.alloc(1_000_000))
    await eventually(() => expect(lines).to.have.length(1))
    expect(lines[0]?.[0]).to.equal('warn')
    expect(lines[0]?.[1]).to.match(/^Redis: it uses \d+ MB of 20 MB: when that is full no one can sign in/)
    expect(Number(valueOf(watch, 'lockstep_redis_memory_bytes'))).to.be.above(16_000_000)
    await redis.del(...ballast)
    await eventually(() => expect(lines.at(-1)).to.deep.equal(['info', 'memory of Redis is well again']))
    expect(lines).to.have.length(2)
  })

  it('says that snapshots fail and writes are refused', async () => {
    const { server, redis, watch, lines } = await watched({ config: { save: '3600 1' } })
    await mkdir(path.join(server.dir, 'dump.rdb'))
    await redis.bgsave()
    await eventually(() => expect(lines).to.have.length(1))
    expect(lines[0]?.[0]).to.equal('error')
    expect(lines[0]?.[1]).to.contain('it refuses writes for that')
    expect(valueOf(watch, 'lockstep_redis_disk_failing', { what: 'snapshot' })).to.equal(1)
  })

  it('says that sessions are kept though a replica has come that could be promoted', async () => {
    const { server, watch, lines } = await watched({ persistence: 'always' }, 'keep')
    const replica = await startRedis()
    cleanUp(() => replica.stop())
    const client = openRedis({ kind: 'single', url: replica.url }, 'commands')
    await client.replicaof('127.0.0.1', Number(new URL(server.url).port))
    client.disconnect()
    await eventually(() => expect(lines).to.have.length(1))
    expect(lines[0]).to.have.property('0', 'error')
    expect(lines[0]?.[1]).to.contain('has a replica since the start')
    expect(valueOf(watch, 'lockstep_redis_replicas')).to.equal(1)
  })

  it('knows a full disk by the append that failed, and a machine without room by its memory', () => {
    const failing = parseHealth('aof_enabled:1\r\naof_last_write_status:err\r\n', null)
    expect(ailmentsOf(failing, null)).to.have.length(1)
    expect(ailmentsOf(failing, null)[0]).to.deep.include({ kind: 'append', severe: true })
    const grown = parseHealth('used_memory:900\r\nmaxmemory:0\r\ntotal_system_memory:1000\r\n', null)
    expect(ailmentsOf(grown, null)[0]?.text).to.contain('all that its machine has')
    expect(ailmentsOf(parseHealth('redis_version:7.0.15', null), null)).to.deep.equal([])
  })
})
