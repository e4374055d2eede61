import { expect } from 'chai'
import { Redis } from 'ioredis'
import { startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('What /readyz says beside whether a worker is ready', () => {
  let redis: TestRedis
  let app: HttpApp

  beforeEach(async () => {
    redis = await startRedis()
    app = await startHttpApp({ redisUrl: redis.url })
  })
  afterEach(async () => {
    await app.stop()
    await redis.stop()
  })

  const notes = async (headers: Record<string, string> = {}) =>
    (await app.request('GET', '/readyz', { headers })).json()

  it('is that the limits of sign-in are lowered after Redis lost what was counted', async () => {
    expect((await notes()).signIn).to.deep.equal({ limits: 'full', recoverySeconds: 0 })
    const operator = new Redis(redis.url)
    await operator.flushall()
    operator.disconnect()
    expect((await notes()).signIn).to.deep.equal({ limits: 'lowered', recoverySeconds: 0 })
    const json = { email: 'ann@example.com', password: 'wrong password' }
    await app.request('POST', '/api/v1/auth/login', { json })
    const { limits, recoverySeconds } = (await notes()).signIn
    expect(limits).to.equal('lowered')
    expect(recoverySeconds).to.be.within(880, 900)
  })

  it('is that requests come through a proxy while TRUST_PROXY is 0, which is logged once', async () => {
    expect((await notes()).proxy).to.equal('as-configured')
    await notes({ 'X-Forwarded-For': '192.0.2.1' })
    await notes({ 'X-Forwarded-For': '192.0.2.2' })
    expect((await notes()).proxy).to.equal('untrusted')
    expect(app.log().split('TRUST_PROXY is 0')).to.have.length(2)
  })

  it('is nothing of a proxy that is trusted', async () => {
    await app.stop()
    app = await startHttpApp({ redisUrl: redis.url, env: { TRUST_PROXY: '1' } })
    expect((await notes({ 'X-Forwarded-For': '192.0.2.1' })).proxy).to.equal('as-configured')
  })
})
