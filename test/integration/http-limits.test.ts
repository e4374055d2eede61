import { expect } from 'chai'
import { Redis } from 'ioredis'
import { z } from 'zod'
import { defineRoute } from '../../shared/app/route.ts'
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

  it('let 30 parallel correct logins succeed, or come back in a second', async () => {
    await app().register('team@example.com')
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) => guess(i % 2, '192.0.2.13', 'team@example.com', password)),
    )
    for (const { status, headers } of answers) {
      if (status !== 200) expect([status, headers['retry-after']]).to.deep.equal([429, '1'])
    }
    expect((await guess(0, '192.0.2.13', 'team@example.com', password)).status).to.equal(200)
  }).timeout(30_000)
})
