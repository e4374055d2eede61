import { expect } from 'chai'
import { parseRedisUrl } from '../../shared/kernel/redis/url.ts'
import { Redis } from 'ioredis'
import { isAlive } from '../support/children.ts'
import { startRedis } from '../support/redis.ts'

function open(url: string): Redis {
  const client = new Redis({
    ...parseRedisUrl({ kind: 'single', url }),
    commandTimeout: 300,
    maxRetriesPerRequest: 1,
  })
  client.on('error', () => {})
  return client
}

describe('The Redis of a test', () => {
  for (const port of ['tcp', 'unix'] as const) {
    it(`keeps its address and its acknowledged writes over a kill -9, by ${port}`, async () => {
      const redis = await startRedis({ port, persistence: 'everysec' })
      const { url, pid } = redis
      const before = open(url)
      await before.set('greeting', 'hello')
      before.disconnect()

      await redis.kill('SIGKILL')
      expect(isAlive(pid)).to.equal(false)
      await redis.restart()

      expect(redis.url).to.equal(url)
      expect(redis.pid).not.to.equal(pid)
      const after = open(url)
      expect(await after.get('greeting')).to.equal('hello')
      after.disconnect()
      await redis.stop()
    })
  }

  it('comes back empty after a restart that wipes it', async () => {
    const redis = await startRedis({ persistence: 'always' })
    const client = open(redis.url)
    await client.set('greeting', 'hello')
    await redis.restart({ wipe: true })
    expect(await client.get('greeting')).to.equal(null)
    client.disconnect()
    await redis.stop()
  })

  it('answers nothing while frozen, and everything again when thawed', async () => {
    const redis = await startRedis({ config: { maxmemory: '20mb' } })
    const client = open(redis.url)
    await client.set('greeting', 'hello')
    redis.freeze()
    const refusal = await client.get('greeting').catch((cause: Error) => cause)
    expect(refusal).to.be.an('error')
    redis.thaw()
    expect(await client.get('greeting')).to.equal('hello')
    expect(await client.config('GET', 'maxmemory')).to.include(String(20 * 1024 * 1024))
    client.disconnect()
    await redis.stop()
    await redis.stop()
    expect(isAlive(redis.pid)).to.equal(false)
  })
})
