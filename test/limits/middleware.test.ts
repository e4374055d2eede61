import { expect } from 'chai'
import { rateLimit } from '../../server/web/pipeline/rate-limit.ts'
import { defineRoute } from '../../shared/app/route.ts'
import type { RateLimiter } from '../../shared/limits/rate-limiter.ts'
import { eventually } from '../support/eventually.ts'
import { startHttpApp, type HttpApp } from '../support/http-app.ts'
import { createWorld, policy, type World } from './world.ts'

describe('A route with a limit', () => {
  let world: World
  let limiter: RateLimiter
  let app: HttpApp

  before(async () => {
    world = await createWorld()
    limiter = await world.worker({
      policies: [
        policy('export', { limit: 3, windowMs: 60_000 }),
        policy('day', { limit: 4, windowMs: 86_400_000 }),
        policy('free', 'off'),
        policy('lost', { limit: 3, windowMs: 60_000 }, { onDataLoss: 'quarantine' }),
      ],
      patienceMs: 200,
    })
    const route = (
      path: string,
      policies: [string, ...string[]],
      access: 'anyone' | 'signed-in' = 'anyone',
    ) =>
      defineRoute({
        method: 'GET',
        path,
        access,
        summary: 'A route under test',
        replies: { 200: { description: 'Done' } },
        around: rateLimit({ limiter, policies }),
        handler: (ctx) => void (ctx.body = { done: true }),
      })
    app = await startHttpApp({
      redisUrl: world.server.url,
      env: { TRUST_PROXY: '1', LIMIT_API: 'off' },
      routes: [
        route('/one', ['export']),
        route('/both', ['export', 'day']),
        route('/mine', ['export'], 'signed-in'),
        route('/free', ['free']),
        route('/lost', ['lost']),
      ],
    })
  })
  after(async () => {
    await app.stop()
    await world.end()
  })

  const from = (ip: string) => ({ headers: { 'X-Forwarded-For': ip } })

  it('says on every answer what is left, and refuses what exceeds it', async () => {
    for (const left of [2, 1, 0]) {
      const answer = await app.request('GET', '/one', from('192.0.2.1'))
      expect(answer.status).to.equal(200)
      expect(answer.headers['ratelimit-policy']).to.equal('"export";q=3;w=60')
      expect(answer.headers['ratelimit']).to.equal(`"export";r=${left};t=60`)
    }
    const refused = await app.request('GET', '/one', from('192.0.2.1'))
    expect(refused.status).to.equal(429)
    expect(refused.headers['content-type']).to.match(/^application\/problem\+json/)
    expect(refused.json()).to.deep.include({
      type: 'quota-exceeded',
      status: 429,
      'violated-policies': ['export'],
    })
    const [, seconds] = /^"export";r=0;t=(\d+)$/.exec(String(refused.headers['ratelimit'])) ?? []
    expect(refused.headers['retry-after']).to.equal(seconds)
    expect((await app.request('GET', '/one', from('192.0.2.2'))).status).to.equal(200)
  })

  it('takes the addresses of one IPv6 network for one', async () => {
    for (let i = 0; i < 3; i += 1) await app.request('GET', '/one', from(`2001:db8::${i}`))
    expect((await app.request('GET', '/one', from('2001:db8::ffff'))).status).to.equal(429)
    expect((await app.request('GET', '/one', from('2001:db8:0:1::1'))).status).to.equal(200)
  })

  it('limits who is signed in by user, wherever the requests come from', async () => {
    await app.register('alice@example.org')
    const bearer = await app.signIn('alice@example.org')
    const statuses: number[] = []
    for (let i = 0; i < 4; i += 1) {
      const { headers } = from(`203.0.113.${i}`)
      statuses.push((await app.request('GET', '/mine', { bearer, headers })).status)
    }
    expect(statuses).to.deep.equal([200, 200, 200, 429])
  })

  it('names only the policies that refuse, and charges the others nothing', async () => {
    const ip = '198.51.100.7'
    for (let i = 0; i < 3; i += 1) {
      const answer = await app.request('GET', '/both', from(ip))
      expect(answer.headers['ratelimit-policy']).to.equal('"export";q=3;w=60, "day";q=4;w=86400')
    }
    for (let i = 0; i < 3; i += 1) {
      const refused = await app.request('GET', '/both', from(ip))
      expect(refused.json()['violated-policies']).to.deep.equal(['export'])
    }
    await eventually(async () => expect(await limiter.inspect('day', `ip:${ip}`)).to.include({ charged: 3 }))
  })

  it('adds nothing where there is no limit', async () => {
    const answer = await app.request('GET', '/free', from('192.0.2.9'))
    expect(answer.status).to.equal(200)
    expect(answer.headers).not.to.have.any.keys('ratelimit', 'ratelimit-policy')
  })

  it('answers 503 and never 429 when it cannot know', async () => {
    const quarantined = await app.request('GET', '/lost', from('192.0.2.10'))
    expect(quarantined.status).to.equal(503)
    expect(Number(quarantined.headers['retry-after'])).to.be.within(1, 66)
    expect(quarantined.json()).to.include({ type: 'unavailable' })

    world.server.freeze()
    const outage = await app.request('GET', '/one', from('192.0.2.11'))
    world.server.thaw()
    expect(outage.status).to.equal(503)
    expect(outage.headers).to.have.property('retry-after')
  })
})
