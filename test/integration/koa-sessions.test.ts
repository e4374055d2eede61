import { expect } from 'chai'
import Koa from 'koa'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { koaSessions, type KoaSessions, type KoaSessionsOptions } from '../../shared/sessions/index.ts'
import { newToken } from '../../shared/sessions/token.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

let names = 0

interface TestApp {
  readonly sessions: KoaSessions
  readonly origin: string
  request(method: string, path: string, headers?: Record<string, string>): Promise<Response>
  stop(): Promise<void>
}

/** A plain Koa application, of which nothing is ours but the middleware. */
async function startApp(
  options: KoaSessionsOptions,
  { start = true, during }: { start?: boolean; during?: () => Promise<void> } = {},
): Promise<TestApp> {
  const sessions = koaSessions(options)
  const app = new Koa()
  app.silent = true
  app.use(sessions.middleware())
  app.use(async (ctx) => {
    const { auth } = ctx
    switch (`${ctx.method} ${ctx.path}`) {
      case 'GET /public':
        return void (ctx.body = 'for all')
      case 'GET /me':
        return void (ctx.body = auth.require().user)
      case 'HEAD /slow':
      case 'GET /slow': {
        const { user } = auth.require()
        await during?.()
        return void (ctx.body = { secret: user.id })
      }
      case 'POST /login':
        await auth.signIn('alice', () => ctx.query.password === 'right' && { id: 'alice', roles: ['staff'] })
        return
      case 'POST /unknown':
        await auth.signIn(null, () => true)
        return
      case 'POST /token':
        return void (ctx.body = await auth.signIn({ id: 'alice' }, { transport: 'token' }))
      case 'POST /logout':
        return auth.signOut()
      case 'POST /logout-all':
        return void (ctx.body = { ended: await auth.signOutEverywhere() })
      case 'GET /sessions':
        return void (ctx.body = await auth.sessions())
      case 'POST /save':
        return auth.save({ cart: 3 })
      case 'GET /data':
        return void (ctx.body = await auth.data())
    }
  })
  if (start) await sessions.start()
  const server: Server = createServer(app.callback())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    sessions,
    origin,
    request: (method, path, headers = {}) => fetch(origin + path, { method, headers, redirect: 'manual' }),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await sessions.stop(deadlineIn(2_000))
    },
  }
}

describe('koaSessions in a plain Koa application', () => {
  let redis: TestRedis
  const apps: TestApp[] = []

  before(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.stop()
  })
  after(() => redis.stop())

  async function start(
    options: Partial<KoaSessionsOptions> = {},
    more?: Parameters<typeof startApp>[1],
  ): Promise<TestApp> {
    const app = await startApp({ name: `koa ${++names}`, redis: redis.url, app: 'shop', ...options }, more)
    apps.push(app)
    return app
  }

  async function endAll({ sessions }: TestApp): Promise<void> {
    expect((await sessions.revokeUser('alice')).outcome).to.equal('revoked')
  }

  async function signIn(app: TestApp): Promise<Record<string, string>> {
    const answer = await app.request('POST', '/login?password=right')
    expect(answer.status).to.equal(204)
    const cookie = answer.headers.get('set-cookie') ?? ''
    expect(cookie).to.match(/^sid=[\w-]{51}; Path=\/; HttpOnly; SameSite=Lax$/)
    return { cookie: cookie.split(';')[0]!, 'sec-fetch-site': 'same-origin' }
  }

  it('signs in with a cookie, knows who asks, and signs out on all workers at once', async () => {
    const name = `koa ${++names}`
    const [one, other] = [await start({ name }), await start({ name })]
    const cookie = await signIn(one)
    for (const app of [one, other, one, other]) {
      expect(await (await app.request('GET', '/me', cookie)).json()).to.include({ id: 'alice' })
    }
    const left = await one.request('POST', '/logout', cookie)
    expect([left.status, left.headers.get('set-cookie')]).to.deep.equal([
      204,
      'sid=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax',
    ])
    expect((await other.request('GET', '/me', cookie)).status).to.equal(401)
    expect((await one.request('GET', '/me', cookie)).status).to.equal(401)
  })

  it('refuses a wrong password, and a user that does not exist, in the same words', async () => {
    const app = await start()
    const answers = [
      await app.request('POST', '/login?password=wrong'),
      await app.request('POST', '/unknown'),
    ]
    for (const answer of answers) {
      expect([answer.status, answer.headers.get('set-cookie')]).to.deep.equal([401, null])
      expect(await answer.text()).to.equal('the name or the password is wrong')
    }
  })

  it('takes the token as Bearer too, and lists the sessions of the user without their secrets', async () => {
    const app = await start()
    const cookie = await signIn(app)
    const { token } = (await (await app.request('POST', '/token')).json()) as { token: string }
    const bearer = { authorization: `Bearer ${token}` }
    const listed = (await (await app.request('GET', '/sessions', bearer)).json()) as { current: boolean }[]
    expect(listed.map(({ current }) => current)).to.have.members([true, false])
    expect(JSON.stringify(listed)).not.to.contain(token)
    expect(await (await app.request('POST', '/logout-all', bearer)).json()).to.deep.equal({ ended: 2 })
    expect((await app.request('GET', '/me', cookie)).status).to.equal(401)
  })

  it('ends the session that a sign-in replaces', async () => {
    const app = await start()
    const first = await signIn(app)
    expect((await app.request('POST', '/login?password=right', first)).status).to.equal(204)
    expect((await app.request('GET', '/me', first)).status).to.equal(401)
  })

  it('keeps data by field, and tells when the session has ended', async () => {
    const app = await start()
    const cookie = await signIn(app)
    expect((await app.request('POST', '/save', cookie)).status).to.equal(204)
    expect(await (await app.request('GET', '/data', cookie)).json()).to.deep.equal({ cart: 3 })
    await app.request('POST', '/logout', cookie)
    expect((await app.request('POST', '/save', cookie)).status).to.equal(401)
  })

  it('sends nothing that was read for a session which ended meanwhile', async () => {
    const app: TestApp = await start({}, { during: () => endAll(app) })
    const cookie = await signIn(app)
    const answer = await app.request('GET', '/slow', cookie)
    expect([answer.status, await answer.text()]).to.deep.equal([
      401,
      'the session ended while the request was being served',
    ])
  })

  it('hands its faults to the application that wants to answer them, and sends nothing else', async () => {
    const app: TestApp = await start(
      {
        onError: (ctx, { code }) => {
          if (code !== 'session-gone') ctx.body = { error: code }
        },
      },
      { during: () => endAll(app) },
    )
    const refused = await app.request('GET', '/me')
    expect([refused.status, await refused.json()]).to.deep.equal([401, { error: 'unauthenticated' }])
    const gone = await app.request('GET', '/slow', await signIn(app))
    expect([gone.status, await gone.text()]).to.deep.equal([401, 'Unauthorized'])
  })

  it('refuses what another site makes a browser do', async () => {
    const app = await start({ csrf: { origins: ['https://app.example.com'] } })
    const { cookie } = await signIn(app)
    const status = async (headers: Record<string, string>) =>
      (await app.request('POST', '/save', { cookie: cookie!, ...headers })).status
    expect(await status({ 'sec-fetch-site': 'cross-site' })).to.equal(403)
    expect(await status({ 'sec-fetch-site': 'same-site', origin: 'https://evil.example.com' })).to.equal(403)
    expect(await status({ origin: 'https://evil.example.com' })).to.equal(403)
    expect(await status({})).to.equal(403)
    expect(await status({ origin: app.origin })).to.equal(204)
    expect(await status({ 'sec-fetch-site': 'same-site', origin: 'https://app.example.com' })).to.equal(204)
    const foreign = { 'sec-fetch-site': 'cross-site' }
    expect((await app.request('POST', '/login?password=right', foreign)).status).to.equal(403)
  })

  it('uses __Host- and Secure over TLS', async () => {
    const app = await start({ secure: true, cookieName: 'shop' })
    const answer = await app.request('POST', '/login?password=right')
    expect(answer.headers.get('set-cookie')).to.match(
      /^__Host-shop=[\w-]{51}; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    )
  })

  it('accepts no token of the wrong alphabet', async () => {
    const app = await start()
    for (const token of ['x', 'ä'.repeat(43), `${'a'.repeat(42)}/`, `${newToken()}a`]) {
      const answer = await app.request('GET', '/me', { cookie: `sid=${encodeURIComponent(token)}` })
      expect(answer.status).to.equal(401)
    }
    expect(app.sessions.counters?.loads).to.equal(0)
    const twice = await app.request('GET', '/me', { cookie: `sid=${newToken()}; sid=${newToken()}` })
    expect(twice.status).to.equal(400)
  })

  it('answers 503 while Redis is away, never 401, and goes on where nobody asks who it is', async () => {
    const own = await startRedis()
    const app = await start({ redis: own.url })
    const cookie = await signIn(app)
    // One that this worker has not in its memory, and that is ours as far as anybody can tell.
    const authorization = `Bearer ${(await signIn(app)).cookie!.slice('sid='.length)}`
    own.freeze()
    try {
      const away = await app.request('GET', '/me', { authorization })
      expect([away.status, away.headers.get('retry-after')]).to.deep.equal([503, '1'])
      expect((await app.request('GET', '/public', { authorization })).status).to.equal(200)
      const left = await app.request('POST', '/logout', cookie)
      expect([left.status, left.headers.get('set-cookie')]).to.deep.equal([503, null])
    } finally {
      own.thaw()
    }
    expect((await app.request('POST', '/logout', cookie)).status).to.equal(204)
    await app.stop()
    apps.splice(apps.indexOf(app), 1)
    await own.stop()
  })

  it('accepts nobody without start(), and says so', async () => {
    const app = await start({}, { start: false })
    const cookie = { cookie: `sid=${newToken()}` }
    expect((await app.request('GET', '/me', cookie)).status).to.equal(503)
    expect((await app.request('GET', '/me')).status).to.equal(503)
    expect((await app.request('POST', '/login?password=right')).status).to.equal(503)
    expect(() => app.sessions.authenticate(newToken())).to.throw(
      'call and await start() before the first request',
    )
  })
})
