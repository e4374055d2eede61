import { expect } from 'chai'
import { Redis } from 'ioredis'
import { eventually } from '../support/eventually.ts'
import { startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const path = '/api/v1/admin/settings'

describe('The settings that all workers share', () => {
  let redis: TestRedis
  let app: HttpApp
  let admin: string
  let user: string

  before(async () => {
    redis = await startRedis()
    // Data loss closes sign-in under its limits; here it is the settings that are looked at.
    const env = { WORKERS: '2', LIMIT_LOGIN_IP: 'off', LIMIT_LOGIN_ACCOUNT: 'off' }
    app = await startHttpApp({ redisUrl: redis.url, env })
    await app.register('admin@example.com', ['user', 'admin'])
    await app.register('user@example.com')
    admin = await app.signIn('admin@example.com')
    user = await app.signIn('user@example.com')
  })
  after(async () => {
    await app.stop()
    await redis.stop()
  })
  afterEach(() => change({ maintenance: null, cacheMode: null, logLevel: null, limits: { api: null } }))

  const change = (json: object, bearer = admin) => app.request('PATCH', path, { bearer, json })
  const me = (bearer: string) => app.request('GET', '/api/v1/auth/me', { bearer })
  const sessions = (bearer: string) => app.request('GET', '/api/v1/auth/sessions', { bearer })

  it('are the configuration until somebody changes them', async () => {
    expect((await app.request('GET', path, { bearer: admin })).json()).to.deep.include({
      maintenance: false,
      cacheMode: 'coherent',
      logLevel: 'info',
      limits: { api: '1000/1m', loginIp: 'off', loginAccount: 'off' },
      overridden: [],
    })
  })

  it('are for administrators only', async () => {
    expect((await app.request('GET', path, { bearer: user })).status).to.equal(403)
    expect((await change({ maintenance: true }, user)).status).to.equal(403)
    expect((await app.request('GET', path)).status).to.equal(401)
  })

  it('change what they name and leave the rest', async () => {
    const changed = await change({ logLevel: 'warn', limits: { api: '5/1s' } })
    expect(changed.status).to.equal(200)
    expect(changed.json()).to.deep.include({ logLevel: 'warn', cacheMode: 'coherent' })
    expect(changed.json().limits).to.deep.equal({ api: '5/1s', loginIp: 'off', loginAccount: 'off' })
    expect(changed.json().overridden).to.have.members(['logLevel', 'limits.api'])
  })

  it('stay as they are, in the same version, when a change names none', async () => {
    const before = (await change({ logLevel: 'warn' })).json()
    for (const nothing of [{}, { limits: {} }]) {
      const answer = await change(nothing)
      expect(answer.status).to.equal(200)
      expect(answer.json()).to.deep.equal(before)
    }
  })

  it('go back to the configuration with null', async () => {
    await change({ logLevel: 'warn' })
    expect((await change({ logLevel: null })).json()).to.deep.include({ logLevel: 'info', overridden: [] })
  })

  for (const [bad, field] of [
    [{ maintenance: 'yes' }, 'maintenance'],
    [{ cacheMode: 'fast' }, 'cacheMode'],
    [{ cacheMode: 'memory' }, 'cacheMode'],
    [{ logLevel: 'loud' }, 'logLevel'],
    [{ limits: { api: '1000' } }, 'limits.api'],
    [{ limits: { api: '0/1m' } }, 'limits.api'],
    [{ limits: { other: '1/1m' } }, 'other'],
    [{ unknown: 1 }, 'unknown'],
  ] as const) {
    it(`refuse ${JSON.stringify(bad)}, naming ${field}`, async () => {
      const refused = await change(bad)
      expect(refused.status).to.equal(422)
      expect(refused.json().detail).to.include(field)
      expect((await app.request('GET', path, { bearer: admin })).json().overridden).to.deep.equal([])
    })
  }

  it('put the server under maintenance for all but administrators', async () => {
    await change({ maintenance: true })
    const refused = await sessions(user)
    expect(refused.status).to.equal(503)
    expect(refused.json().type).to.equal('maintenance')
    expect(refused.headers['retry-after']).to.match(/^\d+$/)
    expect((await sessions(admin)).status).to.equal(200)
    expect((await app.request('GET', '/readyz')).status).to.equal(200)
    await change({ maintenance: false })
    expect((await sessions(user)).status).to.equal(200)
  })

  it('change the cache without a stale moment', async () => {
    for (const cacheMode of ['redis', 'coherent', 'none', 'coherent']) {
      const token = await app.signIn('user@example.com')
      await me(token)
      expect((await change({ cacheMode })).status).to.equal(200)
      expect(app.sessions.cacheMode).to.equal(cacheMode)
      expect((await me(token)).status).to.equal(200)
      expect((await app.request('POST', '/api/v1/auth/logout', { bearer: token })).status).to.equal(204)
      expect((await me(token)).status).to.equal(401)
    }
  })

  for (const [what, damage] of [
    ['a text that is not theirs', (operator: Redis, key: string) => operator.set(key, '{"lineage":1')],
    ['of another type', (operator: Redis, key: string) => operator.multi().del(key).lpush(key, 'x').exec()],
  ] as const) {
    it(`are not followed when they are ${what}, which is said, and are replaced by the next change`, async () => {
      const operator = new Redis(redis.url)
      const [key] = await operator.keys('*settings')
      if (key === undefined) throw new Error('the settings are not where they should be')
      await damage(operator, key)
      // Everybody reads everything again.
      await operator.hset(`{${key.replace(':settings', '')}}:c`, 'seq', 'damaged')
      const settings = async () => (await app.request('GET', '/readyz')).json()
      await eventually(async () => expect(await settings()).to.deep.include({ settings: 'unreadable' }))
      expect((await change({ logLevel: 'warn' })).status).to.equal(200)
      expect((await app.request('GET', path, { bearer: admin })).json().logLevel).to.equal('warn')
      expect(await settings()).to.deep.include({ settings: 'followed' })
      operator.disconnect()
    })
  }

  it('fall back to the configuration when Redis lost them', async () => {
    await change({ logLevel: 'warn' })
    const operator = new Redis(redis.url)
    await operator.flushall()
    operator.disconnect()
    admin = await app.signIn('admin@example.com')
    user = await app.signIn('user@example.com')
    await eventually(async () => {
      expect((await app.request('GET', path, { bearer: admin })).json()).to.deep.include({ logLevel: 'info' })
    })
  })
})
