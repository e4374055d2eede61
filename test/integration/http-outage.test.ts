import { expect } from 'chai'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'
import { password, startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('An outage', () => {
  let redis: TestRedis
  let app: HttpApp | undefined

  beforeEach(async () => {
    redis = await startRedis({ persistence: 'always' })
  })
  afterEach(async () => {
    redis.thaw()
    await app?.stop()
    app = undefined
    await redis?.stop()
  })

  it('of Redis is a 503 on every route that needs it, and over when Redis is back', async () => {
    const running = (app = await startHttpApp({ redisUrl: redis.url, env: { SESSION_CACHE: 'redis' } }))
    await running.register('alice@example.com')
    const bearer = await running.signIn('alice@example.com')
    const json = { email: 'alice@example.com', password }
    redis.freeze()

    const [me, data, login, logout, ready, live] = await Promise.all([
      running.request('GET', '/api/v1/auth/me', { bearer }),
      running.request('PATCH', '/api/v1/session', { bearer, json: { a: 1 } }),
      running.request('POST', '/api/v1/auth/login', { json }),
      running.request('POST', '/api/v1/auth/logout', { bearer }),
      running.request('GET', '/readyz'),
      running.request('GET', '/livez'),
    ])
    for (const answer of [me, data, login]) {
      expect(answer.json()).to.include({ status: 503, type: 'unavailable' })
      expect(answer.json().detail).to.match(/session store/)
    }
    expect(logout.json()).to.include({ status: 503, type: 'revocation-unconfirmed' })
    expect(ready.json()).to.deep.include({
      status: 503,
      type: 'not-ready',
      checks: { redis: 'down', database: 'ok' },
    })
    expect(live.status).to.equal(200)
    for (const answer of [me, data, login, logout, ready])
      expect(Number(answer.headers['retry-after'])).to.be.at.least(1)

    redis.thaw()
    await eventually(async () => {
      expect((await running.request('POST', '/api/v1/auth/logout', { bearer })).status).to.equal(204)
      expect((await running.request('GET', '/readyz')).status).to.equal(200)
    }, 15_000)
    expect((await running.request('GET', '/api/v1/auth/me', { bearer })).status).to.equal(401)
  }).timeout(40_000)

  it('of the database is a 503, alike for known and unknown addresses, and signed-in users do not notice', async () => {
    let away = false
    const running = (app = await startHttpApp({
      redisUrl: redis.url,
      interposeAccounts: (accounts) =>
        new Proxy(accounts, {
          get(target, name, receiver) {
            const method: unknown = Reflect.get(target, name, receiver)
            if (typeof method !== 'function') return method
            return (...args: unknown[]): unknown => {
              if (away)
                return Promise.reject(new Unavailable('database', { cause: new Error('ECONNREFUSED') }))
              return method.apply(target, args)
            }
          },
        }),
    }))
    await running.register('alice@example.com')
    const bearer = await running.signIn('alice@example.com')
    away = true

    for (const email of ['alice@example.com', 'nobody@example.com']) {
      const login = await running.request('POST', '/api/v1/auth/login', { json: { email, password } })
      expect(login.json()).to.include({ status: 503, type: 'unavailable' })
      expect(login.json().detail)
        .to.match(/accounts database/)
        .and.not.match(/ECONNREFUSED/)
      expect(login.headers['retry-after']).to.equal('1')
    }
    expect((await running.request('GET', '/api/v1/auth/me', { bearer })).status).to.equal(200)
    away = false
  })

  it('is not what a worker that is stopping has, but it asks for no more requests', async () => {
    const running = (app = await startHttpApp({ redisUrl: redis.url }))
    await running.readiness.stop(deadlineIn(0))
    const ready = await running.request('GET', '/readyz')
    expect(ready.json()).to.include({ status: 503, type: 'not-ready' })
    expect(ready.json().detail).to.match(/draining/)
    expect((await running.request('GET', '/livez')).status).to.equal(200)
  })
})
