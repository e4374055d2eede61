import { expect } from 'chai'
import { Redis } from 'ioredis'
import { admin, startCluster } from '../support/cluster.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { startRedis } from '../support/redis.ts'

describe('LIMITS_REDIS_URL', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  it('keeps what limits count out of the Redis of the sessions', async () => {
    const [sessions, limits] = await Promise.all([startRedis(), startRedis()])
    cleanUp(async () => void (await Promise.all([sessions.stop(), limits.stop()])))
    const env = { REDIS_URL: sessions.url, LIMITS_REDIS_URL: limits.url }
    const cluster = await startCluster({ workers: 2, env })
    cleanUp(() => cluster.stop())

    const guess = (password: string) =>
      fetch(`${cluster.url}/api/v1/auth/login`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ email: admin.email, password, transport: 'token' }),
      })
    expect((await guess('wrong')).status).to.equal(401)
    expect((await guess(admin.password)).status).to.equal(200)
    const clients = [sessions.url, limits.url].map((url) => new Redis(url))
    const [here = [], there = []] = await Promise.all(clients.map((client) => client.keys('{lm*')))
    for (const client of clients) client.disconnect()
    expect(here).to.deep.equal([])
    // The record of sign-ins and that of the others, a wrong guess in three ledgers and the count of all, and requests.
    expect(there.length).to.be.at.least(6)
  })
})
