/** Limits in somebody's own Koa app: `koaLimits`. */
import { expect } from 'chai'
import { Redis as Redis5 } from 'ioredis-5'
import { once } from 'node:events'
import type { Server } from 'node:http'
import Koa from 'koa'
import { ConfigurationError, koaLimits, type KoaLimitsOptions } from '../../shared/limits/index.ts'
import { openSessions } from '../../shared/sessions/index.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { rejection } from '../support/rejection.ts'

let names = 0
const minute = 60_000

describe('the limits of a Koa app of its own', function () {
  this.timeout(30_000)
  const cleanUp = cleanUpAfterEach()
  let redis: TestRedis

  before(async () => {
    redis = await startRedis()
  })
  after(() => redis.stop())

  async function serve(
    options: Partial<KoaLimitsOptions> & Pick<KoaLimitsOptions, 'policies'>,
    ...charged: string[]
  ) {
    const limits = koaLimits({
      name: `shop ${names}`,
      redis: redis.url,
      app: 'shop',
      ...options,
    } as KoaLimitsOptions)
    const app = new Koa()
    app.silent = true
    app.use(limits.middleware(...charged))
    app.use((ctx) => void (ctx.body = 'done'))
    await limits.start()
    cleanUp(() => limits.stop(deadlineIn(1_000)))
    const server: Server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanUp(() => server.close())
    return { limits, url: `http://127.0.0.1:${(server.address() as { port: number }).port}` }
  }

  beforeEach(() => void names++)

  it('hold over all processes that open the same name', async () => {
    const policies = [{ name: 'api', limit: 20, windowMs: minute }]
    const workers = await Promise.all([serve({ policies }), serve({ policies }), serve({ policies })])
    const answers = await Promise.all(
      Array.from({ length: 90 }, (_, n) => send(workers[n % workers.length]?.url ?? '')),
    )
    expect(answers.filter(({ status }) => status === 200).length).to.equal(20)
    expect(answers.filter(({ status }) => status === 429).length).to.equal(70)
  })

  it('are told in headers, and a refusal as problem+json with Retry-After', async () => {
    const { url } = await serve({ policies: [{ name: 'api', limit: 2, windowMs: minute }] })
    const first = await send(url)
    expect(first.headers['ratelimit-policy']).to.equal('"api";q=2;w=60')
    // 0 where the machine was so slow that a token came too late to be used, and stays charged.
    expect(first.headers['ratelimit']).to.match(/^"api";r=[01];t=60$/)
    await send(url)
    const third = await send(url)
    expect(third.status).to.equal(429)
    expect(third.headers['content-type']).to.include('application/problem+json')
    expect(Number(third.headers['retry-after'])).to.be.within(1, 66)
    expect(JSON.parse(third.body)).to.include({ type: 'quota-exceeded', status: 429 })
    expect(JSON.parse(third.body)).to.have.property('violated-policies').that.deep.equals(['api'])
  })

  it('are refused in the words of the app when it brings a callback', async () => {
    const { url } = await serve({
      policies: [{ name: 'api', limit: 1, windowMs: minute }],
      onRefused: (ctx, { reason, policies, retryAfterSeconds }) =>
        void (ctx.body = { error: `${reason} of ${policies.join()}: ${retryAfterSeconds > 0}` }),
    })
    await send(url)
    const refused = await send(url)
    expect(refused.status).to.equal(429)
    expect(JSON.parse(refused.body)).to.deep.equal({ error: 'limit of api: true' })
    expect(refused.headers).to.include.keys('retry-after', 'ratelimit', 'ratelimit-policy')
  })

  it('are kept for each key, and not at all for a key that is null', async () => {
    const key: KoaLimitsOptions['key'] = (ctx) =>
      ctx.get('user') === 'root' ? null : `user:${ctx.get('user')}`
    const { url } = await serve({ key, policies: [{ name: 'api', limit: 1, windowMs: minute }] })
    const statusFor = async (user: string) => (await send(url, { headers: { user } })).status
    expect([await statusFor('ada'), await statusFor('ada'), await statusFor('bob')]).to.deep.equal([
      200, 429, 200,
    ])
    expect([await statusFor('root'), await statusFor('root')]).to.deep.equal([200, 200])
  })

  it('charge a request to all of several policies, or to none', async () => {
    const { url, limits } = await serve({
      policies: [
        { name: 'burst', limit: 1, windowMs: minute },
        { name: 'day', limit: 10, windowMs: 24 * 60 * minute, cost: () => 2, key: () => 'all' },
      ],
    })
    expect((await send(url)).headers['ratelimit']).to.match(/"burst";r=0;t=60, "day";r=[0-8];t=86400/)
    const left = (await limits.inspect('day', 'all'))?.remaining
    expect(left).to.be.lessThan(9)
    expect((await send(url)).status).to.equal(429)
    expect(await limits.inspect('day', 'all')).to.include({ limit: 10, remaining: left })
  })

  it('are lifted on every process before a reset is answered', async () => {
    const policies = [{ name: 'api', limit: 1, windowMs: minute, key: () => 'k' }]
    const [one, other] = [await serve({ policies }), await serve({ policies })]
    await send(one.url)
    await eventually(async () => expect((await send(other.url)).status).to.equal(429))
    await one.limits.reset('api', 'k')
    expect((await send(other.url)).status).to.equal(200)
  })

  it('do while Redis is away what each policy says', async () => {
    const own = await startRedis()
    cleanUp(() => own.stop())
    const opened = await serve(
      {
        redis: own.url,
        workers: 2,
        policies: [
          { name: 'closed', limit: 5, windowMs: minute },
          { name: 'open', limit: 5, windowMs: minute, onOutage: 'open' },
          { name: 'share', limit: 4, windowMs: minute, onOutage: 'share' },
        ],
      },
      'closed',
    )
    const through = async (name: string) => {
      const app = new Koa()
      app.use(opened.limits.middleware(name)).use((ctx) => void (ctx.body = 'done'))
      const server = app.listen(0, '127.0.0.1')
      await once(server, 'listening')
      cleanUp(() => server.close())
      return `http://127.0.0.1:${(server.address() as { port: number }).port}`
    }
    const [open, share] = [await through('open'), await through('share')]
    own.freeze()
    const refused = await eventually(async () => {
      const answer = await send(opened.url)
      expect(answer.status).to.equal(503)
      return answer
    })
    expect(refused.headers).to.include.keys('retry-after')
    expect(JSON.parse(refused.body)).to.include({ type: 'unavailable' })
    for (let n = 0; n < 8; n++) expect((await send(open)).status).to.equal(200)
    const shared = []
    for (let n = 0; n < 4; n++) shared.push((await send(share)).status)
    expect(shared).to.deep.equal([200, 200, 429, 429])
    own.thaw()
    await eventually(async () => expect((await send(opened.url)).status).to.equal(200))
  })

  it('take clients of another version of ioredis, and share the domain of sessions', async () => {
    const policies = [{ name: 'api', limit: 1, windowMs: minute }]
    const one = await serve({ policies, redis: () => new Redis5(redis.url) })
    const sessions = openSessions({ name: `shop ${names}`, redis: redis.url, app: 'shop' })
    await sessions.start()
    cleanUp(() => sessions.stop(deadlineIn(1_000)))
    const limits = koaLimits({ domain: sessions.domain, policies })
    await limits.start()
    await send(one.url)
    expect(await limits.take('api', 'ip:127.0.0.1')).to.include({ allowed: false })
    await limits.stop()
    expect(
      (await rejection(sessions.authenticate('x'.repeat(43)) as Promise<unknown>).catch(() => null)) ?? null,
    ).to.equal(null)
  })

  it('are refused everything that can not be meant, at once and in words', async () => {
    const problemsOf = (options: object) => {
      try {
        koaLimits(options as KoaLimitsOptions)
      } catch (cause) {
        expect(cause).to.be.instanceOf(ConfigurationError)
        return (cause as ConfigurationError).problems
      }
      return []
    }
    expect(() => koaLimits(undefined as never)).to.throw(ConfigurationError, 'koaLimits needs options')
    const base = { name: 'shop', redis: redis.url }
    expect(problemsOf({ ...base, policies: [] })[0]).to.match(/^policies is missing/)
    const policies = [
      { limit: 1, windowMs: 1_000 },
      { name: 'a', limit: -1, windowMs: 1_000 },
      { name: 'b', limit: 1 },
      { name: 'c', limit: 1, windowMs: 1_000, max: 3 },
      { name: 'c', limit: 1, windowMs: 1_000, onOutage: 'shut' },
      { name: 'd', limit: 1, windowMs: 1_000, onOutage: 'share' },
    ]
    const problems = problemsOf({ ...base, polices: [], redis: 'http://x', policies }).join('\n')
    for (const said of [
      'there is no option polices',
      'redis is "http://x", which is no address of a Redis',
      'policies[0]: name is missing',
      'policies.a: a limit must be a whole number',
      'policies.b: limit and windowMs are needed',
      'policies.c: there is no option max',
      'policies.c: two policies have this name',
      'policies.c: onOutage is one of closed, open, share',
      "policies.d: onOutage 'share' needs the option workers",
    ]) {
      expect(problems).to.include(said)
    }
    expect(() =>
      koaLimits({ ...base, policies: [{ name: 'a', limit: 1, windowMs: 1_000 }] }).middleware('b'),
    ).to.throw('there is no limit "b": policies has a')
  })

  it('are refused a Redis that evicts, and decide nothing before the start', async () => {
    const evicting = await startRedis({ config: { maxmemory: '50mb', 'maxmemory-policy': 'allkeys-lru' } })
    cleanUp(() => evicting.stop())
    const limits = koaLimits({
      name: 'shop',
      redis: evicting.url,
      policies: [{ name: 'a', limit: 1, windowMs: 1_000 }],
    })
    expect(String(await rejection(limits.start()))).to.include('has maxmemory-policy allkeys-lru')
    expect(() => limits.take('a', 'k')).to.throw('the limits of "shop" are not started')
  })
})
