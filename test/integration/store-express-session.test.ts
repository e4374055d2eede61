/**
 * express-session over our store, as express-session's own tests use a store: rewritten from what its documentation says,
 * since its package does not have them. What differs, and why: docs/stores.md.
 */
import { expect } from 'chai'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import session from 'express-session'
import { expressSessionStore, openSessions, type OpenSessions } from '../../shared/sessions/index.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'
import { send, type TestResponse } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('express-session with our store', () => {
  let redis: TestRedis
  let sessions: OpenSessions
  let servers: Server[] = []
  let writes = 0
  let loads = 0

  before(async () => {
    redis = await startRedis()
    sessions = openSessions({ name: 'suite', redis: redis.url, app: null })
    await sessions.start()
  })
  beforeEach(() => {
    writes = loads = 0
  })
  afterEach(() => {
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

  type Handler = (request: any, response: express.Response, next: (fault?: unknown) => void) => unknown

  function createStore(overrides: object = {}): any {
    const { stored } = sessions
    const counted = {
      ...stored,
      write: (...args: Parameters<typeof stored.write>) => {
        writes++
        return stored.write(...args)
      },
      load: (id: string) => {
        loads++
        return stored.load(id)
      },
      ...overrides,
    }
    return expressSessionStore(session, { stored: counted }, { user: () => null })
  }

  async function client(options: object, handler: Handler) {
    const app = express()
    const store = createStore()
    const merged = { store, secret: 'keyboard cat', resave: false, saveUninitialized: true, ...options }
    app.use(session(merged))
    app.use((request, response, next) => {
      handler(request, response, next)
    })
    app.use((fault: any, _request: express.Request, response: express.Response, _next: () => void) => {
      if (response.headersSent) return
      response.status(fault.status ?? 500).end(fault.message)
    })
    const server = createServer(app).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const cookies = new Map<string, string>()
    return {
      store: merged.store,
      cookies,
      /** As the store knows it: what the cookie holds is signed. */
      id: () => /^s:(.*)\.[^.]*$/.exec(decodeURIComponent(cookies.get('connect.sid') ?? ''))?.[1] ?? '',
      async get(path = '/'): Promise<TestResponse> {
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
        const answer = await send(`${url}${path}`, { headers: cookie ? { cookie } : {} })
        for (const [name, value] of answer.cookies) cookies.set(name, value)
        return answer
      },
    }
  }

  const setsCookie = (answer: TestResponse) => (answer.headers['set-cookie'] ?? []).length > 0
  const counting: Handler = (request, response) => {
    request.session.views = (request.session.views ?? 0) + 1
    response.end(String(request.session.views))
  }
  const passive: Handler = (request, response) => response.end(request.sessionID)
  const exists = async (id: string) => (await sessions.stored.load(id)) !== null
  const expiresOf = (answer: TestResponse) =>
    Date.parse(/expires=([^;]+)/i.exec(answer.headers['set-cookie']?.[0] ?? '')?.[1] ?? '')

  describe('a session', () => {
    it('is made for somebody who has none, with a cookie', async () => {
      const { get, cookies } = await client({}, counting)
      expect((await get()).body).to.equal('1')
      expect([...cookies.keys()]).to.deep.equal(['connect.sid'])
    })

    it('is found again by its cookie', async () => {
      const { get } = await client({}, counting)
      for (const views of ['1', '2', '3']) expect((await get()).body).to.equal(views)
    })

    it('is one of many', async () => {
      const { get, cookies } = await client({}, counting)
      await get()
      cookies.clear()
      expect((await get()).body).to.equal('1')
    })

    it('has nothing enumerable but its data and the cookie', async () => {
      const { get } = await client({}, (request, response) => {
        request.session.test1 = 1
        request.session.test2 = 'b'
        response.end(Object.keys(request.session).sort().join(','))
      })
      expect((await get()).body).to.equal('cookie,test1,test2')
      expect((await get()).body).to.equal('cookie,test1,test2')
    })

    it('is not replaced by what names of methods hold in the store', async () => {
      const { get } = await client({}, (request, response) => {
        if (request.url === '/set') {
          for (const name of ['save', 'regenerate', 'touch', 'destroy', 'reload', 'id']) {
            Object.defineProperty(request.session, name, {
              enumerable: true,
              value: name,
              configurable: true,
            })
          }
        }
        response.end(`${typeof request.session.touch} ${typeof request.session.reload}`)
      })
      await get()
      expect((await get()).body).to.equal('function function')
    })

    it('is not saved under an id that is none', async () => {
      const { get } = await client({}, (request, response) => {
        request.sessionID = function bogus() {}
        request.session.a = 1
        response.end('ok')
      })
      const answer = await get()
      expect([answer.status, setsCookie(answer), writes]).to.deep.equal([200, false, 0])
    })
  })

  describe('when the answer has ended', () => {
    for (const [how, end] of Object.entries<Handler>({
      'in one piece': (_request, response) => response.end('saved'),
      empty: (_request, response) => response.end(),
      'in several pieces': (_request, response) => {
        response.write('sav')
        response.end('ed')
      },
      'with its length': (_request, response) => {
        response.setHeader('Content-Length', '5')
        response.end('saved')
      },
      'with JSON': (_request, response) => response.json('saved'),
    })) {
      it(`${how}, the session is saved`, async () => {
        const { get, id } = await client({}, (request, response, next) => {
          request.session.hit = true
          end(request, response, next)
        })
        await get()
        expect((await sessions.stored.load(id()))?.data).to.include({ hit: true })
      })
    }

    it('and save() was called, it is saved once', async () => {
      const { get } = await client({}, (request, response) => {
        request.session.hit = true
        request.session.save(() => response.end('saved'))
      })
      await get()
      expect(writes).to.equal(1)
    })
  })

  describe('an id', () => {
    it('that is not in the store makes a new session under another id', async () => {
      const { get, id, store } = await client({}, counting)
      await get()
      const before = id()
      await new Promise((resolve) => store.destroy(before, resolve))
      expect((await get()).body).to.equal('1')
      expect(id()).to.not.equal(before)
    })

    it('that is not signed, or wrongly, is not looked for', async () => {
      const { get, cookies } = await client({}, counting)
      await get()
      const good = cookies.get('connect.sid') ?? ''
      loads = 0
      for (const bad of [
        `${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`,
        'plain-0123456789abcdef',
        's%3A123.456',
      ]) {
        cookies.set('connect.sid', bad)
        expect((await get()).body).to.equal('1')
      }
      expect(loads).to.equal(0)
    })

    it('whose time is over makes a new session', async () => {
      const { get, id } = await client({ cookie: { maxAge: 30 } }, counting)
      await get()
      const before = id()
      await eventually(async () => expect((await get()).body).to.equal('1'))
      expect(id()).to.not.equal(before)
    })

    it('of a session that has no cookie is not accepted', async () => {
      const { get, id } = await client({}, counting)
      await get()
      const { write, load, ticket } = sessions.stored
      await load(id())
      await write(id(), {
        was: { userId: null },
        userId: null,
        changes: { cookie: undefined },
        ticket: ticket(),
      })
      expect((await get()).body).to.equal('1')
    })
  })

  it('genid: makes the ids, and is given the request', async () => {
    const { get, id } = await client(
      { genid: (request: any) => `made-for-${request.method}-0123456789` },
      passive,
    )
    expect((await get()).body).to.equal('made-for-GET-0123456789')
    expect(id()).to.equal('made-for-GET-0123456789')
    expect((await get()).body).to.equal('made-for-GET-0123456789')
  })

  it('name: is that of the cookie', async () => {
    const { get, cookies } = await client({ name: 'session_id' }, passive)
    await get()
    expect([...cookies.keys()]).to.deep.equal(['session_id'])
  })

  it('secret: may be exchanged', async () => {
    const store = createStore()
    const old = await client({ store, secret: 'old' }, counting)
    await old.get()
    const rotated = await client({ store, secret: ['new', 'old'] }, counting)
    rotated.cookies.set('connect.sid', old.cookies.get('connect.sid') ?? '')
    expect((await rotated.get()).body).to.equal('2')
  })

  describe('rolling', () => {
    it('false: the cookie is set when the session begins', async () => {
      const { get } = await client({ rolling: false }, passive)
      expect(setsCookie(await get())).to.equal(true)
      expect(setsCookie(await get())).to.equal(false)
    })

    it('true: it is set at each answer', async () => {
      const { get } = await client({ rolling: true }, passive)
      for (let n = 0; n < 3; n++) expect(setsCookie(await get())).to.equal(true)
    })

    it('true: but not for a session that is not saved', async () => {
      const { get } = await client({ rolling: true, saveUninitialized: false }, passive)
      expect(setsCookie(await get())).to.equal(false)
    })
  })

  describe('resave', () => {
    it('true: saves what has not changed', async () => {
      const { get } = await client({ resave: true }, passive)
      await get()
      await get()
      expect(writes).to.equal(2)
    })

    it('false: only touches it', async () => {
      const { get, id } = await client({ resave: false, cookie: { maxAge: 60_000 } }, passive)
      await get()
      const before = (await sessions.stored.load(id()))?.data.cookie as { expires: string }
      await eventually(async () => {
        await get()
        const after = (await sessions.stored.load(id()))?.data.cookie as { expires: string }
        expect(Date.parse(after.expires)).to.be.greaterThan(Date.parse(before.expires))
      })
    })

    it('false: saves what has changed', async () => {
      const { get } = await client({ resave: false }, counting)
      await get()
      expect((await get()).body).to.equal('2')
      expect((await get()).body).to.equal('3')
    })
  })

  describe('saveUninitialized', () => {
    it('true: saves a session that nothing was written to', async () => {
      const { get, id } = await client({ saveUninitialized: true }, passive)
      expect(setsCookie(await get())).to.equal(true)
      expect(await exists(id())).to.equal(true)
    })

    it('false: does not, and does not touch it', async () => {
      const { get } = await client({ saveUninitialized: false }, passive)
      expect(setsCookie(await get())).to.equal(false)
      expect(writes).to.equal(0)
    })

    it('false: saves one that has changed', async () => {
      const { get, id } = await client({ saveUninitialized: false }, counting)
      expect(setsCookie(await get())).to.equal(true)
      expect(await exists(id())).to.equal(true)
    })
  })

  describe('unset', () => {
    const unsetting: Handler = (request, response) => {
      if (request.url === '/unset') {
        request.session.count = 100
        request.session = null
        return response.end('unset')
      }
      request.session.count = (request.session.count ?? 0) + 1
      response.end(String(request.session.count))
    }

    it("'destroy': ends the session", async () => {
      const { get, id } = await client({ unset: 'destroy' }, unsetting)
      await get()
      const before = id()
      await get('/unset')
      expect(await exists(before)).to.equal(false)
      expect((await get()).body).to.equal('1')
    })

    it("'keep': keeps it as it was", async () => {
      const { get } = await client({ unset: 'keep' }, unsetting)
      await get()
      await get('/unset')
      expect((await get()).body).to.equal('2')
    })
  })

  describe('what the store reports', () => {
    it('at get is passed on', async () => {
      const { get } = await client(
        { store: createStore({ load: async () => Promise.reject(new Error('boom!')) }) },
        passive,
      )
      await get()
      const answer = await get()
      expect([answer.status, answer.body]).to.deep.equal([500, 'boom!'])
    })

    it('at save is passed to the callback', async () => {
      const store = createStore({ write: async () => Promise.reject(new Error('boom!')) })
      const { get } = await client({ store }, (request, response, next) => {
        request.session.a = 1
        request.session.save((fault: unknown) => (fault ? next(fault) : response.end()))
      })
      expect((await get()).body).to.equal('boom!')
    })

    it('at destroy is passed to the callback', async () => {
      const store = createStore({
        end: async () => ({ outcome: 'unconfirmed', cause: new Error('of Redis') }),
      })
      const { get } = await client({ store }, (request, response, next) => {
        if (request.url !== '/destroy') return counting(request, response, next)
        request.session.destroy((fault: unknown) => (fault ? next(fault) : response.end()))
      })
      await get()
      const answer = await get('/destroy')
      expect([answer.status, answer.body]).to.deep.equal([
        503,
        'the session may not have ended on every worker: ask again',
      ])
    })
  })

  describe('req.session', () => {
    it('.destroy() ends the session', async () => {
      const { get, id } = await client({}, (request, response, next) => {
        if (request.url !== '/destroy') return counting(request, response, next)
        request.session.destroy((fault: unknown) => response.end(`${fault ?? ''}${typeof request.session}`))
      })
      await get()
      const before = id()
      const answer = await get('/destroy')
      expect([answer.body, setsCookie(answer)]).to.deep.equal(['undefined', false])
      expect(await exists(before)).to.equal(false)
    })

    it('.regenerate() makes another one, which is empty, and ends the first', async () => {
      const { get, id } = await client({}, (request, response, next) => {
        if (request.url !== '/regenerate') return counting(request, response, next)
        const before = request.session.id
        request.session.regenerate((fault: unknown) => {
          if (fault) return next(fault)
          expect(request.session.id).to.not.equal(before)
          response.end(String(request.session.views))
        })
      })
      await get()
      const before = id()
      expect((await get('/regenerate')).body).to.equal('undefined')
      expect(id()).to.not.equal(before)
      expect(await exists(before)).to.equal(false)
      expect((await get()).body).to.equal('1')
    })

    it('.reload() reads it again, and what others wrote is kept at the end', async () => {
      const { get, id } = await client({}, async (request, response, next) => {
        if (request.url !== '/reload') return counting(request, response, next)
        request.session.views = 99
        await sessions.stored.load(request.session.id)
        await sessions.stored.write(request.session.id, {
          was: { userId: null },
          userId: null,
          changes: { views: 7 },
          ticket: sessions.stored.ticket(),
        })
        request.session.reload((fault: unknown) => {
          if (fault) return next(fault)
          response.end(String(request.session.views))
        })
      })
      await get()
      expect((await get('/reload')).body).to.equal('7')
      expect((await sessions.stored.load(id()))?.data.views).to.equal(7)
      expect((await get()).body).to.equal('8')
    })

    it('.reload() of a session that is gone reports that', async () => {
      const { get } = await client({}, (request, response, next) => {
        if (request.url !== '/reload') return counting(request, response, next)
        void sessions.stored
          .end(request.session.id)
          .then(() => request.session.reload((fault: Error) => response.end(fault.message)))
      })
      await get()
      expect((await get('/reload')).body).to.equal('failed to load session')
    })

    it('.save() saves before the end, and the end not again', async () => {
      const { get } = await client({}, (request, response, next) => {
        request.session.hit = 'saved'
        request.session.save((fault: unknown) => {
          if (fault) return next(fault)
          void sessions.stored.load(request.session.id).then((found) => response.end(String(found?.data.hit)))
        })
      })
      expect((await get()).body).to.equal('saved')
      expect(writes).to.equal(1)
    })

    it('.save() after the session ended elsewhere reports that it is gone', async () => {
      const { get, id } = await client({}, (request, response, next) => {
        if (request.url !== '/late') return counting(request, response, next)
        request.session.late = true
        void sessions.stored
          .end(request.session.id)
          .then(() => request.session.save((fault: any) => response.end(`${fault?.code} ${fault?.status}`)))
      })
      await get()
      expect((await get('/late')).body).to.equal('session-gone 401')
      expect(await exists(id())).to.equal(false)
    })

    it('.cookie.maxAge sets the expiry of the cookie, and can be changed', async () => {
      const { get } = await client({ cookie: { maxAge: 2_000 } }, (request, response) => {
        if (request.url === '/longer') {
          request.session.cookie.maxAge = 5_000_000_000
          request.session.changed = true
        }
        response.end()
      })
      expect(expiresOf(await get()) - Date.now()).to.be.within(-1_000, 2_000)
      expect(expiresOf(await get('/longer')) - Date.now()).to.be.greaterThan(4_000_000_000)
    })

    it('.cookie without maxAge makes a cookie for as long as the browser is open', async () => {
      const { get } = await client({}, counting)
      expect((await get()).headers['set-cookie']?.[0]).to.not.match(/expires/i)
      expect((await get()).body).to.equal('2')
    })

    it('.cookie keeps its other attributes', async () => {
      const { get } = await client({ cookie: { httpOnly: true, path: '/admin', sameSite: 'lax' } }, counting)
      expect((await get('/admin')).headers['set-cookie']?.[0]).to.match(
        /Path=\/admin; HttpOnly; SameSite=Lax/,
      )
      expect((await get('/admin')).body).to.equal('2')
    })
  })

  describe('the store itself', () => {
    it('is a Store', () => {
      expect(createStore()).to.be.instanceOf(session.Store)
    })

    it('.load() gives a session object', async () => {
      const { get, id, store } = await client({}, counting)
      await get()
      const loaded = await new Promise<any>((resolve, reject) =>
        store.load(id(), (fault: Error, found: unknown) => (fault ? reject(fault) : resolve(found))),
      )
      expect([loaded.id, loaded.views]).to.deep.equal([id(), 1])
    })

    it('.set() changes a session that is there, and makes none', async () => {
      const { get, id, store } = await client({}, counting)
      await get()
      const set = (at: string, data: object) => new Promise<any>((resolve) => store.set(at, data, resolve))
      expect((await set('an-id-that-never-was', { cookie: {}, views: 5 }))?.code).to.equal('session-gone')
      expect(await exists('an-id-that-never-was')).to.equal(false)
      const { data } = (await sessions.stored.load(id()))!
      expect(await set(id(), { ...data, views: 5 })).to.equal(null)
      expect((await get()).body).to.equal('6')
    })

    it('that no session was started for reports that', async () => {
      const unstarted = openSessions({ name: 'never', redis: redis.url, app: null })
      const store = expressSessionStore(session, unstarted, { user: () => null })
      const { get, cookies } = await client({ store }, passive)
      const answer = await get()
      expect([answer.status, setsCookie(answer)]).to.deep.equal([503, false])
      cookies.set('connect.sid', 's%3Aabc.def')
      expect((await get()).status).to.equal(503)
    })
  })
})
