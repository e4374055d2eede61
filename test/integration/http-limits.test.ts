import { expect } from 'chai'
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { z } from 'zod'
import { defineRoute } from '../../shared/app/route.ts'
import { systemClock } from '../../shared/kernel/clock.ts'
import { createRateLimiter } from '../../shared/limits/rate-limiter.ts'
import { eventually } from '../support/eventually.ts'
import { password, startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const limits = { LIMIT_API: '20/1m', LIMIT_LOGIN_IP: '8/15m', LIMIT_LOGIN_ACCOUNT: '5/15m' }
const trusted = { TRUST_PROXY: '1' }

describe('Rate limits over HTTP, two workers', () => {
  let redis: TestRedis
  let apps: HttpApp[]
  let next = 0

  beforeEach(async () => {
    redis = await startRedis()
    const domain = `limits${next++}`
    apps = []
    for (let worker = 0; worker < 2; worker++) {
      apps.push(await startHttpApp({ redisUrl: redis.url, domain, env: { ...limits, ...trusted }, routes }))
    }
  })
  afterEach(async () => {
    for (const app of apps) await app.stop()
    await redis.stop()
  })

  const routes = [
    defineRoute({
      method: 'GET',
      path: '/free',
      access: 'anyone',
      limits: [],
      summary: 'Not limited',
      replies: { 200: { description: 'Always', body: z.strictObject({ ok: z.literal(true) }) } },
      handler(ctx) {
        ctx.body = { ok: true }
      },
    }),
  ]
  const from = (ip: string) => ({ 'X-Forwarded-For': ip })
  const app = (worker = 0) => apps[worker] as HttpApp
  const ask = (worker: number, ip: string, path = '/openapi.json') =>
    app(worker).request('GET', path, { headers: from(ip) })
  const guess = (worker: number, ip: string, email: string, attempt = 'wrong password') =>
    app(worker).request('POST', '/api/v1/auth/login', {
      headers: from(ip),
      json: { email, password: attempt, transport: 'token' },
    })

  it('are shared: what one worker admits is missing on the other', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 30; i++) statuses.push((await ask(i % 2, '192.0.2.1')).status)
    expect(statuses.filter((status) => status === 200)).to.have.length(20)
    expect((await ask(0, '192.0.2.2')).status).to.equal(200)
  })

  it('say what is left on every answer, and when to come back on a refusal', async () => {
    const first = await ask(0, '192.0.2.3')
    expect(first.headers['ratelimit-policy']).to.equal('"api";q=20;w=60')
    expect(first.headers['ratelimit']).to.match(/^"api";r=\d+;t=60$/)
    for (let i = 0; i < 20; i++) await ask(i % 2, '192.0.2.3')
    const refused = await ask(0, '192.0.2.3')
    expect(refused.status).to.equal(429)
    expect(refused.json()).to.deep.include({ type: 'quota-exceeded', 'violated-policies': ['api'] })
    const seconds = Number(/t=(\d+)/.exec(String(refused.headers['ratelimit']))?.[1])
    expect(Number(refused.headers['retry-after'])).to.be.at.least(seconds)
  })

  it('leave alone the routes that say so', async () => {
    for (let i = 0; i < 30; i++) {
      const answer = await ask(0, '192.0.2.4', '/free')
      expect(answer.status).to.equal(200)
      expect(answer.headers).not.to.have.property('ratelimit')
    }
    expect((await ask(0, '192.0.2.4', '/readyz')).headers).not.to.have.property('ratelimit')
  })

  it('count a signed-in user wherever the requests come from, and strangers by address', async () => {
    await app().register('ann@example.com')
    const bearer = await app().signIn('ann@example.com')
    const me = (ip: string) => app(1).request('GET', '/api/v1/auth/me', { bearer, headers: from(ip) })
    const statuses: number[] = []
    for (let i = 0; i < 25; i++) statuses.push((await me(`198.51.100.${i}`)).status)
    expect(statuses.filter((status) => status === 429).length).to.be.at.least(5)
    // Guessing tokens is limited too: 401, and after a while 429.
    const guesses: number[] = []
    for (let i = 0; i < 25; i++) {
      const token = Buffer.alloc(32, i).toString('base64url')
      const headers = from('203.0.113.9')
      guesses.push((await app().request('GET', '/api/v1/auth/me', { bearer: token, headers })).status)
    }
    expect(new Set(guesses)).to.deep.equal(new Set([401, 429]))
  })

  it('are lifted by an administrator on every worker at once', async () => {
    await app().register('admin@example.com', ['user', 'admin'])
    const bearer = await app().signIn('admin@example.com')
    for (let i = 0; i < 42; i++) await ask(i % 2, '192.0.2.5')
    for (const worker of [0, 1]) expect((await ask(worker, '192.0.2.5')).status).to.equal(429)
    const path = '/api/v1/admin/limits/api/ip:192.0.2.5'
    const standing = await app().request('GET', path, { bearer })
    expect(standing.json()).to.deep.include({ policy: 'api', limit: 20, charged: 20, remaining: 0 })
    expect((await app().request('DELETE', path, { bearer })).status).to.equal(204)
    for (const worker of [0, 1]) expect((await ask(worker, '192.0.2.5')).status).to.equal(200)
    const unknown = await app().request('GET', '/api/v1/admin/limits/nonsense/x', { bearer })
    expect(unknown.status).to.equal(404)
    expect(unknown.json().detail).to.include('login-ip')
  })

  it('are changed for all workers by the settings', async () => {
    await app().register('admin@example.com', ['user', 'admin'])
    const bearer = await app().signIn('admin@example.com')
    const changed = await app().request('PATCH', '/api/v1/admin/settings', {
      bearer,
      json: { limits: { api: '3/1m' } },
    })
    expect(changed.status).to.equal(200)
    const statuses: number[] = []
    for (let i = 0; i < 8; i++) statuses.push((await ask(i % 2, '192.0.2.6')).status)
    expect(statuses.filter((status) => status === 200)).to.have.length(3)
  })

  it('try at most 5 of 200 parallel guesses at an account from one address', async () => {
    await app().register('victim@example.com')
    const before = app(0).comparisons() + app(1).comparisons()
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => guess(i % 2, '192.0.2.7', 'Victim@example.com')),
    )
    expect(app(0).comparisons() + app(1).comparisons() - before).to.be.at.most(5)
    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([401, 429]))
    const refused = answers.find(({ status }) => status === 429)
    expect(refused?.headers['retry-after']).to.match(/^\d+$/)
  })

  it('let the owner in while a stranger guesses, and do not count what was right', async () => {
    await app().register('owner@example.com')
    for (let i = 0; i < 6; i++) await guess(0, '192.0.2.8', 'owner@example.com')
    expect((await guess(0, '192.0.2.8', 'owner@example.com')).status).to.equal(429)
    for (let i = 0; i < 12; i++) {
      const right = await guess(0, '198.51.100.8', 'owner@example.com', password)
      expect(right.status).to.equal(200)
    }
  }).timeout(60_000)

  it('are an outage for sign-in when Redis is away, never a 429', async () => {
    await app().register('ann@example.com')
    redis.freeze()
    try {
      const answer = await guess(0, '192.0.2.10', 'ann@example.com', password)
      expect(answer.status).to.equal(503)
      expect(answer.headers['retry-after']).to.match(/^\d+$/)
    } finally {
      redis.thaw()
    }
  })

  it('must be declared before a route can name them', async () => {
    const [free] = routes
    const charged = { ...free!, path: '/charged', limits: ['export'] }
    const refused = await startHttpApp({ redisUrl: redis.url, routes: [charged] }).catch(
      (fault: unknown) => fault,
    )
    expect(String(refused)).to.include('GET /charged').and.to.include('export')
  })

  it('keep sign-in open after Redis lost what was counted, at half of its limits', async () => {
    await app().register('ann@example.com')
    const operator = new Redis(redis.url)
    await operator.flushall()
    operator.disconnect()
    const statuses: number[] = []
    for (let i = 0; i < 5; i++) statuses.push((await guess(i % 2, '192.0.2.11', 'ann@example.com')).status)
    expect(statuses).to.deep.equal([401, 401, 401, 429, 429])
    expect((await guess(0, '192.0.2.12', 'bob@example.com')).status).to.equal(401)
    expect((await ask(0, '192.0.2.11')).status).to.equal(200)
  })

  it('are lifted for an IPv6 address however it is typed', async () => {
    await app().register('admin@example.com', ['user', 'admin'])
    const bearer = await app().signIn('admin@example.com')
    for (const typed of ['ip:2001:DB8::7', '2001:db8:0:0:1::1', 'ip:[2001:db8::9]', 'ip:2001:db8::/64']) {
      for (let i = 0; i < 22; i++) await ask(0, '2001:db8::42')
      expect((await ask(0, '2001:db8::42')).status).to.equal(429)
      const path = `/api/v1/admin/limits/api/${encodeURIComponent(typed)}`
      const standing = await app().request('GET', path, { bearer })
      expect(standing.json(), typed).to.include({ key: 'ip:2001:db8:0:0:0:0:0:0/64', remaining: 0 })
      expect((await app().request('DELETE', path, { bearer })).status).to.equal(204)
      expect((await ask(0, '2001:db8::42')).status, typed).to.equal(200)
    }
    for (let i = 0; i < 9; i++) await guess(0, '2001:db8:1::1', `user-${i}@example.com`)
    expect((await guess(0, '2001:db8:1::2', 'user@example.com')).status).to.equal(429)
    const path = `/api/v1/admin/limits/login-ip/${encodeURIComponent('2001:db8:1::ffff')}`
    expect((await app().request('DELETE', path, { bearer })).status).to.equal(204)
    expect((await guess(0, '2001:db8:1::2', 'user@example.com')).status).to.equal(401)
  }).timeout(30_000)

  it('charge paths that there are not, by address', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 25; i++) statuses.push((await ask(i % 2, '192.0.2.20', `/no-${i}`)).status)
    expect(statuses.filter((status) => status === 404)).to.have.length(20)
    expect(statuses.filter((status) => status === 429)).to.have.length(5)
    expect((await ask(0, '192.0.2.21', '/no')).status).to.equal(404)
  })

  it('refuse tokens that prove nothing without a trip to Redis, and leave sessions behind the same address alone', async () => {
    await app().register('ann@example.com')
    const bearer = await app().signIn('ann@example.com')
    const me = (token: string) =>
      app().request('GET', '/api/v1/auth/me', { bearer: token, headers: from('192.0.2.22') })
    expect((await me(bearer)).status).to.equal(200)
    const client = new Redis(redis.url)
    const rule = { limit: 1_000, windowMs: 60_000 }
    const policy = { name: 'tokens', rule, onOutage: 'open', onDataLoss: 'trust' } as const
    const elsewhere = createRateLimiter({
      redis: client,
      clock: systemClock,
      prefix: app().domain,
      policies: [policy],
    })
    await elsewhere.take('tokens', 'ip:192.0.2.22', 1_000)
    const random = () => randomBytes(32).toString('base64url')
    await eventually(async () => expect((await me(random())).status).to.equal(429))
    const loads = app().sessions.counters.loads
    for (let i = 0; i < 20; i++) expect((await me(random())).status).to.equal(429)
    expect(app().sessions.counters.loads).to.equal(loads)
    expect((await me(bearer)).status).to.equal(200)
    client.disconnect()
  })

  it('never put the undo of an administrator out of reach, and need a word more for what locks people out', async () => {
    await app().register('admin@example.com', ['user', 'admin'])
    const bearer = await app().signIn('admin@example.com')
    const set = (limits: object, more = {}) =>
      app().request('PATCH', '/api/v1/admin/settings', { bearer, json: { limits, ...more } })
    for (const limits of [{ api: '1/7d' }, { loginAccount: '1/15m' }, { loginIp: '50/7d' }]) {
      const refused = await set(limits)
      expect([refused.status, refused.json().type]).to.deep.equal([422, 'invalid-fields'])
      expect(refused.json().detail).to.include('"confirm": true')
    }
    expect((await set({ api: '1/7d' }, { confirm: true })).status).to.equal(200)
    for (let i = 0; i < 5; i++) await app().request('GET', '/api/v1/auth/me', { bearer })
    expect((await app().request('GET', '/api/v1/auth/me', { bearer })).status).to.equal(429)
    expect((await app().request('GET', '/api/v1/admin/settings', { bearer })).status).to.equal(200)
    expect(await app().signIn('admin@example.com'), 'from anew').to.be.a('string')
    expect((await set({ api: null })).status).to.equal(200)
    expect((await app().request('GET', '/api/v1/auth/me', { bearer })).status).to.equal(200)
  })

  it('bound the mails for a new password to ten a day for an account, and tell nobody', async () => {
    await app().register('ann@example.com')
    const sent = app().mails.length
    for (let i = 0; i < 14; i++) {
      const answer = await app().request('POST', '/api/v1/auth/password-reset/request', {
        headers: from(`192.0.2.${30 + i}`),
        json: { email: i % 2 ? 'ann@example.com' : 'Ann@Example.com' },
      })
      expect(answer.status).to.equal(202)
    }
    expect(app().mails.length - sent).to.equal(10)
  })

  it('let 30 parallel correct logins succeed, or come back in a second', async () => {
    await app().register('team@example.com')
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => guess(0, '192.0.2.13', 'team@example.com', password)),
    )
    for (const { status, headers } of answers) {
      if (status !== 200) expect([status, headers['retry-after']]).to.deep.equal([429, '1'])
    }
    expect((await guess(0, '192.0.2.13', 'team@example.com', password)).status).to.equal(200)
  }).timeout(30_000)
})
