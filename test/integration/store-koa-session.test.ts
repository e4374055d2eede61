/**
 * koa-session over our store, as koa-session's own tests use a store: rewritten from what its documentation says, since its
 * package does not have them. What differs, and why: docs/stores.md.
 */
import { expect } from 'chai'
import Koa from 'koa'
import koaSession from 'koa-session'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { koaSessionStore, openSessions, type OpenSessions } from '../../shared/sessions/index.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'
import { send, type TestRequest, type TestResponse } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('koa-session with our store', () => {
  let redis: TestRedis
  let sessions: OpenSessions
  let servers: Server[] = []
  let writes = 0

  before(async () => {
    redis = await startRedis()
    sessions = openSessions({ name: 'suite', redis: redis.url, app: null })
    await sessions.start()
  })
  beforeEach(() => {
    writes = 0
  })
  afterEach(async () => {
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
    servers = []
  })
  after(async () => {
    await sessions.stop(deadlineIn(2_000))
    await redis.stop()
  })

  type Handler = (ctx: any) => unknown

  /** An app with one handler; answers with what the client got, and sends what it was given before. */
  async function client(options: object, handler: Handler, outer?: Koa.Middleware) {
    const app = new Koa()
    app.keys = ['a', 'b']
    app.silent = true
    const events: string[] = []
    for (const event of ['missed', 'expired', 'invalid']) {
      app.on(`session:${event}`, ({ key }: { key: string }) => events.push(`${event} ${key}`))
    }
    const { stored } = sessions
    const counted = {
      ...stored,
      write: (...args: Parameters<typeof stored.write>) => {
        writes++
        return stored.write(...args)
      },
    }
    const ContextStore = koaSessionStore({ stored: counted }, { user: () => null })
    if (outer) app.use(outer)
    app.use(koaSession({ ContextStore, ...options }, app as never) as never)
    app.use((ctx) => handler(ctx))
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const cookies = new Map<string, string>()
    return {
      events,
      cookies,
      async get(path = '/', request: TestRequest = {}): Promise<TestResponse> {
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
        const answer = await send(`${url}${path}`, {
          ...request,
          headers: { ...(cookie ? { cookie } : {}), ...request.headers },
        })
        for (const [name, value] of answer.cookies) {
          if (value === '') cookies.delete(name)
          else cookies.set(name, value)
        }
        return answer
      },
    }
  }

  const setsCookie = (answer: TestResponse) => (answer.headers['set-cookie'] ?? []).length > 0
  const byPath: Handler = (ctx) => {
    if (ctx.path === '/set') ctx.session.message = 'hello'
    ctx.body = ctx.session.message ?? 'none'
  }

  it('keeps a value with a semicolon', async () => {
    const { get } = await client({}, (ctx) => {
      if (ctx.path === '/set') ctx.session.string = ';'
      ctx.body = ctx.session.string
    })
    await get('/set')
    expect((await get()).body).to.equal(';')
  })

  describe('a new session', () => {
    it('that is not looked at, or not filled, sets no cookie and writes nothing', async () => {
      const { get } = await client({}, (ctx) => {
        if (ctx.path === '/look') ctx.body = String(ctx.session.isNew)
        else ctx.body = 'ok'
      })
      expect(setsCookie(await get())).to.equal(false)
      const looked = await get('/look')
      expect(looked.body).to.equal('true')
      expect(setsCookie(looked)).to.equal(false)
      expect(writes).to.equal(0)
    })

    it('that is filled sets a cookie, signed, and HttpOnly', async () => {
      const { get, cookies } = await client({}, byPath)
      const answer = await get('/set')
      expect([...cookies.keys()]).to.deep.equal(['koa.sess', 'koa.sess.sig'])
      expect(answer.headers['set-cookie']?.[0]).to.match(/; httponly/i)
    })

    it('has an external key, which the cookie holds and Redis does not', async () => {
      let key = ''
      const { get, cookies } = await client({}, (ctx) => {
        ctx.session.a = 1
        key = ctx.session.externalKey
        ctx.body = 'ok'
      })
      await get()
      expect(cookies.get('koa.sess')).to.equal(key)
    })
  })

  describe('a session that was saved', () => {
    it('is not saved again, and sets no cookie, unless it has changed', async () => {
      const { get } = await client({}, (ctx) => {
        if (ctx.path === '/set') ctx.session.count = (ctx.session.count ?? 0) + 1
        ctx.body = String(ctx.path === '/ignore' ? 'ok' : ctx.session.count)
      })
      await get('/set')
      expect(writes).to.equal(1)
      for (const path of ['/ignore', '/']) expect(setsCookie(await get(path))).to.equal(false)
      expect(writes).to.equal(1)
      const changed = await get('/set')
      expect(changed.body).to.equal('2')
      expect(setsCookie(changed)).to.equal(true)
      expect(writes).to.equal(2)
    })

    it('is not new, and knows how many fields it has', async () => {
      const { get } = await client({}, (ctx) => {
        if (ctx.path === '/set') ctx.session.message = 'hello'
        const { isNew, length, populated } = ctx.session
        ctx.body = { isNew: isNew ?? false, length, populated, shown: ctx.session.toJSON() }
      })
      await get('/set')
      expect((await get()).json()).to.deep.equal({
        isNew: false,
        length: 1,
        populated: true,
        shown: { message: 'hello' },
      })
    })

    it('keeps null, nested values, and the removal of a field', async () => {
      const { get } = await client({}, (ctx) => {
        if (ctx.path === '/set')
          Object.assign(ctx.session, { nothing: null, deep: { list: [1, { a: 'b' }] } })
        if (ctx.path === '/remove') delete ctx.session.deep
        ctx.body = ctx.session.toJSON()
      })
      await get('/set')
      expect((await get()).json()).to.deep.equal({ nothing: null, deep: { list: [1, { a: 'b' }] } })
      await get('/remove')
      expect((await get()).json()).to.deep.equal({ nothing: null })
    })
  })

  describe('when ctx.session is set', () => {
    it('to null, the session ends and its cookie is cleared', async () => {
      const { get, cookies } = await client({}, (ctx) => {
        if (ctx.path === '/end') ctx.session = null
        else byPath(ctx)
        ctx.body ??= String(ctx.session)
      })
      await get('/set')
      const before = new Map(cookies)
      const answer = await get('/end')
      expect(answer.headers['set-cookie']?.[0]).to.match(/^koa\.sess=;/)
      for (const [name, value] of before) cookies.set(name, value)
      expect((await get('/')).body).to.equal('none')
    })

    it('to an empty object, nothing is written; to an object, it has that', async () => {
      const { get } = await client({}, (ctx) => {
        if (ctx.path === '/empty') ctx.session = {}
        if (ctx.path === '/object') ctx.session = { message: 'replaced' }
        ctx.body = ctx.session.toJSON()
      })
      expect(setsCookie(await get('/empty'))).to.equal(false)
      await get('/object')
      expect((await get()).json()).to.deep.equal({ message: 'replaced' })
    })

    it('to an object, what it had before is gone, and it has the same id', async () => {
      const { get, cookies } = await client({}, (ctx) => {
        if (ctx.path === '/set') ctx.session.message = 'hello'
        if (ctx.path === '/object') ctx.session = { other: 1 }
        ctx.body = ctx.session.toJSON()
      })
      await get('/set')
      const id = cookies.get('koa.sess')
      await get('/object')
      expect(cookies.get('koa.sess')).to.equal(id)
      expect((await get()).json()).to.deep.equal({ other: 1 })
    })

    it('to anything else, it throws', async () => {
      const { get } = await client({}, (ctx) => {
        ctx.session = 'aklsdjflasdjf'
      })
      expect((await get()).status).to.equal(500)
    })
  })

  it('is saved although an error is thrown, and caught outside', async () => {
    const { get } = await client(
      {},
      (ctx) => {
        if (ctx.path === '/set') {
          ctx.session.message = 'kept'
          throw new Error('of the handler')
        }
        ctx.body = ctx.session.message
      },
      async (ctx, next) => {
        try {
          await next()
        } catch {
          ctx.body = 'caught'
        }
      },
    )
    const answer = await get('/set')
    expect([answer.body, setsCookie(answer)]).to.deep.equal(['caught', true])
    expect((await get()).body).to.equal('kept')
  })

  describe('maxAge', () => {
    it('sets the expiry of the cookie', async () => {
      const { get } = await client({ maxAge: 100_000 }, byPath)
      const line = (await get('/set')).headers['set-cookie']?.[0] ?? ''
      const expires = Date.parse(/expires=([^;]+)/i.exec(line)?.[1] ?? '')
      expect(expires - Date.now()).to.be.within(60_000, 101_000)
    })

    it("that is 'session' sets none, and the session goes on", async () => {
      const { get } = await client({ maxAge: 'session' }, byPath)
      expect((await get('/set')).headers['set-cookie']?.[0]).to.not.match(/expires/i)
      expect((await get()).body).to.equal('hello')
    })

    it('ends the session when it is over, whatever the cookie, and says so', async () => {
      const { get, events, cookies } = await client({ maxAge: 40 }, byPath)
      await get('/set')
      const before = new Map(cookies)
      await eventually(async () => {
        for (const [name, value] of before) cookies.set(name, value)
        expect((await get()).body).to.equal('none')
      })
      await eventually(() => expect(events).to.include(`expired ${before.get('koa.sess')}`))
    })

    it('can be changed for one session', async () => {
      const { get } = await client({ maxAge: 100_000 }, (ctx) => {
        if (ctx.path === '/set') ctx.session.message = 'hello'
        if (ctx.path === '/longer') ctx.session.maxAge = 1_000_000_000
        ctx.body = String(ctx.session.maxAge)
      })
      await get('/set')
      const line = (await get('/longer')).headers['set-cookie']?.[0] ?? ''
      expect(Date.parse(/expires=([^;]+)/i.exec(line)?.[1] ?? '')).to.be.greaterThan(Date.now() + 900_000_000)
      expect((await get()).body).to.equal('1000000000')
    })
  })

  it('rolling: the cookie is set at every request that has a session', async () => {
    const { get } = await client({ rolling: true, maxAge: 100_000 }, byPath)
    await get('/set')
    expect(setsCookie(await get())).to.equal(true)
  })

  it('renew: the cookie is set when half of its time is over', async () => {
    const { get } = await client({ renew: true, maxAge: 3_000 }, byPath)
    await get('/set')
    expect(setsCookie(await get())).to.equal(false)
    await eventually(async () => {
      const answer = await get()
      expect(answer.body, 'still there').to.equal('hello')
      expect(setsCookie(answer)).to.equal(true)
    })
  })

  it('valid: a session that the application does not accept is passed over, and said', async () => {
    const { get, events } = await client(
      { valid: (_ctx: unknown, data: any) => data.message !== 'hello' },
      byPath,
    )
    await get('/set')
    expect((await get()).body).to.equal('none')
    await eventually(() => expect(events.some((event) => event.startsWith('invalid '))).to.equal(true))
  })

  it('beforeSave: is called, and may change what is saved', async () => {
    const { get } = await client(
      { beforeSave: (_ctx: unknown, session: any) => (session.extra = 'added') },
      (ctx) => {
        if (ctx.path === '/set') ctx.session.message = 'hello'
        ctx.body = ctx.session.toJSON()
      },
    )
    await get('/set')
    expect((await get()).json()).to.deep.equal({ message: 'hello', extra: 'added' })
  })

  it('an id that is not there makes a new session under another id, and says so', async () => {
    const { get, cookies, events } = await client({ signed: false }, byPath)
    cookies.set('koa.sess', 'an-id-that-is-not-there')
    expect((await get('/set')).body).to.equal('hello')
    expect(cookies.get('koa.sess')).to.not.equal('an-id-that-is-not-there')
    await eventually(() => expect(events).to.include('missed an-id-that-is-not-there'))
  })

  describe('save and regenerate', () => {
    it('ctx.session.save() saves although nothing has changed', async () => {
      const { get } = await client({}, async (ctx) => {
        if (ctx.path === '/save') await ctx.session.save()
        byPath(ctx)
      })
      await get('/set')
      const answer = await get('/save')
      expect(setsCookie(answer)).to.equal(true)
      expect(writes).to.equal(2)
    })

    it('ctx.session.regenerate() keeps the content under another id, and the old one is dead', async () => {
      const { get, cookies } = await client({}, async (ctx) => {
        if (ctx.path === '/regenerate') await ctx.session.regenerate()
        byPath(ctx)
      })
      await get('/set')
      const before = new Map(cookies)
      expect((await get('/regenerate')).body).to.equal('hello')
      expect(cookies.get('koa.sess')).to.not.equal(before.get('koa.sess'))
      expect((await get()).body).to.equal('hello')
      for (const [name, value] of before) cookies.set(name, value)
      expect((await get()).body).to.equal('none')
    })

    it('a callback is called, and told what went wrong', async () => {
      const { get } = await client({}, async (ctx) => {
        ctx.session.message = 'hello'
        await new Promise<void>((resolve, reject) =>
          ctx.session.save((fault?: Error) => (fault ? reject(fault) : resolve())),
        )
        ctx.body = 'saved'
      })
      expect((await get()).body).to.equal('saved')
    })

    it('without autoCommit only manuallyCommit() saves', async () => {
      const { get } = await client({ autoCommit: false }, async (ctx) => {
        if (ctx.path !== '/') ctx.session.message = ctx.path
        if (ctx.path === '/commit') await ctx.session.manuallyCommit()
        ctx.body = ctx.session.message ?? 'none'
      })
      expect(setsCookie(await get('/forget'))).to.equal(false)
      expect((await get()).body).to.equal('none')
      expect(setsCookie(await get('/commit'))).to.equal(true)
      expect((await get()).body).to.equal('/commit')
    })
  })

  describe('the external key', () => {
    const externalKey = {
      get: (ctx: any) => ctx.get('x-session') || '',
      set: (ctx: any, value: string) => ctx.set('x-session', value),
    }

    it('can travel in a header', async () => {
      const { get } = await client({ externalKey }, byPath)
      const answer = await get('/set')
      const id = String(answer.headers['x-session'])
      expect(setsCookie(answer)).to.equal(false)
      expect((await get('/', { headers: { 'x-session': id } })).body).to.equal('hello')
      expect((await get('/', { headers: { 'x-session': `${id.slice(0, -1)}x` } })).body).to.equal('none')
    })

    it('has the prefix that is wanted', async () => {
      const { get, cookies } = await client({ prefix: 'shop:' }, byPath)
      await get('/set')
      expect(cookies.get('koa.sess')).to.match(/^shop:/)
      expect((await get()).body).to.equal('hello')
    })

    it('is made by genid, which is given the context', async () => {
      let made = 0
      const { get, cookies } = await client(
        { genid: (ctx: any) => `${ctx.method}-0123456789abcdef-${++made}` },
        byPath,
      )
      await get('/set')
      expect(cookies.get('koa.sess')).to.match(/^GET-0123456789abcdef-\d+$/)
      expect((await get()).body).to.equal('hello')
    })

    it('that genid makes too short, or twice, is refused in words', async () => {
      const short = await client({ genid: () => '123' }, byPath)
      expect((await short.get('/set')).status).to.equal(500)
      const same = await client({ genid: () => 'always-the-same-one' }, byPath)
      expect((await same.get('/set')).status).to.equal(200)
      same.cookies.clear()
      expect((await same.get('/set')).status).to.equal(500)
    })

    it('that genid takes from the client is refused', async () => {
      const { get } = await client({ externalKey, genid: (ctx: any) => ctx.get('x-session') }, byPath)
      const answer = await get('/set', { headers: { 'x-session': 'chosen-by-the-client' } })
      expect(answer.status).to.equal(401)
    })
  })

  it('a store whose sessions were not started says so', async () => {
    const unstarted = openSessions({ name: 'never', redis: redis.url, app: null })
    const ContextStore = koaSessionStore(unstarted, { user: () => null })
    const { get } = await client({ ContextStore }, byPath)
    expect((await get('/set')).status).to.equal(503)
    expect(() => new ContextStore({ get: () => '' })).to.throw(/not started/)
  })

  it('a user that is no id is refused in words, and nothing is written', async () => {
    for (const wrong of [{}, true, '', 'x'.repeat(256)]) {
      const ContextStore = koaSessionStore(sessions, { user: () => wrong as string })
      const { get } = await client({ ContextStore }, byPath)
      const answer = await get('/set')
      expect([answer.status, setsCookie(answer)]).to.deep.equal([500, false])
    }
  })
})
