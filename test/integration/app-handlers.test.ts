import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import Koa from 'koa'
import { defineApp, defineJob, definePage, defineRoute, problem, z } from 'lockstep'
import { eventually } from '../support/eventually.ts'
import { email, startApplication, type ApplicationWorkers } from '../support/application-workers.ts'

const replies = { 200: { description: 'An answer' } }
const open = { access: 'anyone', summary: 'A route of a test', replies } as const
const closed = { access: 'signed-in', summary: 'A route of a test', replies } as const

const events: string[] = []
const add = defineJob({
  name: 'add',
  payload: z.strictObject({ n: z.number() }),
  enqueue: 'anyone signed in',
  async handler({ data }, { services, settings }) {
    return { sum: data.n + services['step'], greeting: settings.current()['greeting'] }
  },
})

const legacy = new Koa()
legacy.context['shout'] = (text: string) => text.toUpperCase()
legacy.use(async (ctx, next) => {
  if (ctx.path !== '/visits') return next()
  ctx.session['visits'] = ((ctx.session['visits'] as number | undefined) ?? 0) + 1
  ctx.body = { visits: ctx.session['visits'], said: ctx['shout']('hello'), mountPath: ctx['mountPath'] }
})

const app = defineApp({
  name: 'handlers',
  env: z.object({ STEP: z.coerce.number(), SESSION_SECRET: z.string() }),
  roles: ['staff'],
  settings: z.object({ greeting: z.string().default('hello') }),
  async services({ env, role }) {
    return {
      step: env.STEP,
      role,
      first: { stop: () => void events.push('first stopped') },
      second: {
        stop() {
          events.push('second stopped')
          throw new Error('the dog ate the connection')
        },
      },
    }
  },
  middleware: {
    outer: [
      (ctx, next) =>
        next().then(() => {
          ctx.set('X-Outer', 'was here')
        }),
    ],
    identified: [
      async (ctx, next) => {
        await next()
        ctx.set('X-User', ctx.state.identity?.user.id ?? 'nobody')
      },
    ],
  },
  mounts: [{ path: '/legacy', koa: legacy, access: 'signed-in' }],
  hooks: {
    start: (parts) => void events.push(`start ${parts.services['role']}`),
    ready: () => void events.push('ready'),
    stop: () => void events.push('stop'),
    signedIn: ({ userId }, { queues }) => {
      events.push(`signed in ${userId.length > 0}`)
      return queues.enqueue(add, { n: 1 }, { dedupeKey: 'hook' }).then(() => events.push('enqueued'))
    },
    signedOut: ({ sessionId }) => void events.push(`signed out ${sessionId !== null}`),
  },
  jobs: [add],
  routes: [
    defineRoute({ ...open, method: 'GET', path: '/nothing', handler() {} }),
    defineRoute({ ...open, method: 'GET', path: '/nothing-later', async handler() {} }),
    defineRoute({
      ...open,
      method: 'GET',
      path: '/string',
      handler() {
        // oxlint-disable-next-line no-throw-literal -- what is tested
        throw 'just a string'
      },
    }),
    defineRoute({
      ...open,
      method: 'GET',
      path: '/twice',
      async handler(ctx) {
        ctx.res.end('first')
        ctx.body = 'second'
      },
    }),
    defineRoute({
      ...open,
      method: 'GET',
      path: '/never',
      timeoutMs: 100,
      handler: () => new Promise<void>(() => {}),
    }),
    defineRoute({
      ...open,
      method: 'GET',
      path: '/too-much',
      replies: { 200: { description: 'A user', body: z.strictObject({ name: z.string() }) } },
      handler(ctx) {
        ctx.body = { name: 'Ada', passwordHash: 'secret' }
      },
    }),
    defineRoute({
      ...open,
      method: 'GET',
      path: '/who',
      handler(ctx) {
        ctx.body = { who: ctx.state.identity?.user.profile['email'] ?? null }
      },
    }),
    defineRoute({
      ...open,
      method: 'GET',
      path: '/problem',
      handler() {
        throw problem('conflict', 'somebody was faster')
      },
    }),
    defineRoute({
      ...closed,
      method: 'GET',
      path: '/unflagged',
      handler(ctx) {
        ctx.session['cart'] = ['lost']
        ctx.body = 'saved?'
      },
    }),
    defineRoute({
      ...closed,
      method: 'POST',
      path: '/cart',
      session: true,
      body: z.strictObject({ item: z.string(), slowly: z.boolean().default(false) }),
      async handler(ctx, { body: { item, slowly } }) {
        const cart = (ctx.session['cart'] as string[] | undefined) ?? []
        if (slowly) await events.push('writing')
        if (slowly) await new Promise((resolve) => setTimeout(resolve, 300))
        ctx.session['cart'] = [...cart, item]
        ctx.body = { cart: ctx.session['cart'] }
      },
    }),
    defineRoute({
      ...open,
      method: 'POST',
      path: '/guest-cart',
      session: true,
      handler(ctx) {
        ctx.session['cart'] = ['x']
        ctx.body = 'saved?'
      },
    }),
    defineRoute({
      ...open,
      method: 'POST',
      path: '/webhook',
      raw: true,
      handler(ctx, { body }) {
        ctx.body = { signature: createHmac('sha256', 'key').update(body).digest('hex') }
      },
    }),
    defineRoute({
      ...open,
      method: 'POST',
      path: '/large',
      bodyLimit: 1_000_000,
      body: z.strictObject({ text: z.string() }),
      handler(ctx, { body }) {
        ctx.body = { length: body.text.length }
      },
    }),
    defineRoute({
      ...open,
      method: 'POST',
      path: '/list',
      body: z.array(z.strictObject({ n: z.number() })),
      handler(ctx, { body }) {
        ctx.body = { sum: body.reduce((sum, { n }) => sum + n, 0) }
      },
    }),
    defineRoute({
      ...open,
      method: 'POST',
      path: '/upload',
      multipart: true,
      bodyLimit: 100_000,
      body: z.strictObject({ title: z.string(), photo: z.file().max(50_000) }),
      async handler(ctx, { body: { title, photo } }) {
        ctx.body = { title, name: photo.name, bytes: (await photo.arrayBuffer()).byteLength }
      },
    }),
    defineRoute({
      ...open,
      method: 'GET',
      path: '/search',
      query: z.strictObject({ tag: z.array(z.string()).default([]), q: z.string().optional() }),
      handler(ctx, { query }) {
        ctx.body = query
      },
    }),
    defineRoute({
      ...open,
      method: 'GET',
      path: '/files/*path',
      params: z.strictObject({ path: z.string() }),
      handler(ctx, { params }) {
        ctx.body = params
      },
    }),
    defineRoute({
      ...open,
      method: 'GET',
      path: '/files/index',
      handler(ctx) {
        ctx.body = 'the index'
      },
    }),
    defineRoute({
      ...closed,
      method: 'PUT',
      path: '/greeting',
      body: z.strictObject({ greeting: z.string() }),
      async handler(ctx, { body }, { settings }) {
        ctx.body = await settings.change(body)
      },
    }),
  ],
  pages: [
    definePage({ path: '/about', access: 'anyone', summary: 'About', handler: () => '<h1>About</h1>' }),
    definePage({
      path: '/inside',
      access: { roles: ['staff'] },
      summary: 'Inside',
      handler: () => '<h1>In</h1>',
    }),
  ],
})

describe('An application', () => {
  let running: ApplicationWorkers
  before(async () => {
    running = await startApplication(app, { env: { STEP: '2', SESSION_SECRET: 'its own' } })
  })
  after(() => running?.stop())

  const expectInternalError = async (answer: Response) => {
    expect(answer.status).to.equal(500)
    expect(await answer.json()).to.include({ type: 'internal-error' })
  }

  describe('whose handler', () => {
    for (const path of ['/nothing', '/nothing-later']) {
      it(`returns nothing (${path}) is answered with a 500, and the log names it`, async () => {
        await expectInternalError(await running.request(path))
        expect(running.log()).to.include(`the handler of GET ${path} answered nothing`)
      })
    }

    it('throws a string is answered with a 500, and the log has the string', async () => {
      await expectInternalError(await running.request('/string'))
      expect(running.log()).to.include('just a string')
    })

    it('answers twice has sent the first answer', async () => {
      const answer = await running.request('/twice')
      expect(await answer.text()).to.equal('first')
      expect((await running.request('/livez')).status).to.equal(200)
    })

    it('never ends is answered with a 503 in time', async () => {
      const answer = await running.request('/never')
      expect(answer.status).to.equal(503)
      expect(answer.headers.get('retry-after')).to.equal('1')
      expect(await answer.json()).to.include({ type: 'unavailable' })
    })

    it('answers more than its route says is answered with a 500, and the log names the field', async () => {
      await expectInternalError(await running.request('/too-much'))
      expect(running.log()).to.match(
        /the reply 200 of GET \/too-much is not what the route says: .*passwordHash/,
      )
    })

    it('throws a problem is answered with it', async () => {
      const answer = await running.request('/problem')
      expect(answer.status).to.equal(409)
      expect(await answer.json()).to.include({ type: 'conflict', detail: 'somebody was faster' })
    })
  })

  describe('knows on a route for anyone', () => {
    it('who is signed in, when a token is sent', async () => {
      const token = await running.signIn()
      expect(await (await running.request('/who', { token, worker: 1 })).json()).to.deep.equal({ who: email })
      expect(await (await running.request('/who')).json()).to.deep.equal({ who: null })
      await running.request('/api/v1/auth/logout', { method: 'POST', token })
      expect(await (await running.request('/who', { token, worker: 1 })).json()).to.deep.equal({ who: null })
    })
  })

  describe('keeps in ctx.session', () => {
    it('a cart that both workers see', async () => {
      const token = await running.signIn()
      await running.request('/cart', { token, json: { item: 'tea' } })
      const answer = await running.request('/cart', { token, worker: 1, json: { item: 'milk' } })
      expect(await answer.json()).to.deep.equal({ cart: ['tea', 'milk'] })
    })

    it('nothing after a logout: the write that was under way answers 401 and revives nothing', async () => {
      const token = await running.signIn()
      events.length = 0
      const writing = running.request('/cart', { token, json: { item: 'late', slowly: true } })
      await eventually(() => expect(events).to.include('writing'))
      const logout = await running.request('/api/v1/auth/logout', { method: 'POST', token, worker: 1 })
      expect(logout.status).to.equal(204)
      expect((await writing).status).to.equal(401)
      expect((await running.request('/cart', { token, json: { item: 'later' } })).status).to.equal(401)
    })

    it('nothing on a route that did not say session: true, which is told and not lost', async () => {
      const token = await running.signIn()
      await expectInternalError(await running.request('/unflagged', { token }))
      expect(running.log()).to.include('ctx.session is not there in the route GET /unflagged')
      expect(running.log()).to.include('session: true')
    })

    it('nothing of somebody who is not signed in, who is told to', async () => {
      const answer = await running.request('/guest-cart', { json: {} })
      expect(answer.status).to.equal(401)
      expect(await answer.json()).to.include({ type: 'unauthenticated' })
    })
  })

  describe('takes', () => {
    it('bytes as they come, to check a signature over them', async () => {
      const body = Buffer.from('{"a": 1,\n "a": 2}')
      const answer = await running.request('/webhook', {
        body,
        headers: { 'Content-Type': 'application/json' },
      })
      const signature = createHmac('sha256', 'key').update(body).digest('hex')
      expect(await answer.json()).to.deep.equal({ signature })
    })

    it('a larger body where its route says so, and no larger one', async () => {
      const answer = await running.request('/large', { json: { text: 'x'.repeat(500_000) } })
      expect(await answer.json()).to.deep.equal({ length: 500_000 })
      const refused = await running.request('/large', { json: { text: 'x'.repeat(1_500_000) } })
      expect(refused.status).to.equal(413)
    })

    it('a list as a body, and no object in its place', async () => {
      const answer = await running.request('/list', { json: [{ n: 1 }, { n: 2 }] })
      expect(await answer.json()).to.deep.equal({ sum: 3 })
      expect((await running.request('/list', { json: { n: 1 } })).status).to.equal(400)
      expect((await running.request('/list', { json: [{ m: 1 }] })).status).to.equal(422)
    })

    it('files, from its own pages only', async () => {
      const form = new FormData()
      form.set('title', 'A cat')
      form.set('photo', new File(['meow'], 'cat.jpg', { type: 'image/jpeg' }))
      const own = { 'Sec-Fetch-Site': 'same-origin' }
      const answer = await running.request('/upload', { body: form, headers: own })
      expect(await answer.json()).to.deep.equal({ title: 'A cat', name: 'cat.jpg', bytes: 4 })
      const foreign = await running.request('/upload', {
        body: form,
        headers: { 'Sec-Fetch-Site': 'cross-site' },
      })
      expect(foreign.status).to.equal(403)
      form.set('photo', 'no file')
      expect((await running.request('/upload', { body: form, headers: own })).status).to.equal(422)
      const broken = { ...own, 'Content-Type': 'multipart/form-data; boundary=x' }
      expect((await running.request('/upload', { body: 'not parts', headers: broken })).status).to.equal(400)
    })

    it('a parameter of the query more than once where its schema is a list', async () => {
      const found = await running.request('/search?tag=a&tag=b&q=x')
      expect(await found.json()).to.deep.equal({ tag: ['a', 'b'], q: 'x' })
      expect(await (await running.request('/search?tag=a')).json()).to.deep.equal({ tag: ['a'] })
      expect((await running.request('/search?q=a&q=b')).status).to.equal(400)
    })

    it('all that follows in a path, where no more specific route is', async () => {
      expect(await (await running.request('/files/a/b%20c/d')).json()).to.deep.equal({ path: 'a/b c/d' })
      expect(await (await running.request('/files/index')).text()).to.equal('the index')
      expect((await running.request('/files')).status).to.equal(404)
    })
  })

  it('has its middleware before routing and after access was decided', async () => {
    const token = await running.signIn()
    const anonymous = await running.request('/who')
    expect(anonymous.headers.get('x-outer')).to.equal('was here')
    expect(anonymous.headers.get('x-user')).to.equal('nobody')
    const known = await running.request('/who', { token })
    expect(known.headers.get('x-user')).to.have.length.above(0)
    const missing = await running.request('/no-such-path')
    expect([missing.status, missing.headers.get('x-outer')]).to.deep.equal([404, 'was here'])
  })

  it('mounts a Koa application, behind access and with ctx.session', async () => {
    expect((await running.request('/legacy/visits')).status).to.equal(401)
    const token = await running.signIn()
    await running.request('/legacy/visits', { token })
    const answer = await running.request('/legacy/visits', { token, worker: 1 })
    expect(await answer.json()).to.deep.equal({ visits: 2, said: 'HELLO', mountPath: '/legacy' })
    const missing = await running.request('/legacy/other', { token })
    expect([missing.status, ((await missing.json()) as { type: string }).type]).to.deep.equal([
      404,
      'not-found',
    ])
  })

  it('has pages, which /openapi.json leaves out', async () => {
    const page = await running.request('/about')
    expect(page.headers.get('content-type')).to.equal('text/html; charset=utf-8')
    expect(await page.text()).to.equal('<h1>About</h1>')
    expect((await running.request('/inside')).headers.get('location')).to.include('sign-in')
    const { paths } = (await (await running.request('/openapi.json')).json()) as { paths: object }
    expect(paths).to.have.property('/search')
    expect(paths).not.to.have.property('/about')
  })

  it('gives jobs what it gives routes, its settings as they are now', async () => {
    const token = await running.signIn()
    const changed = await running.request('/greeting', { method: 'PUT', token, json: { greeting: 'moin' } })
    expect(await changed.json()).to.deep.equal({ greeting: 'moin' })
    const asked = await running.request('/api/v1/jobs/add', { token, json: { data: { n: 40 } } })
    const { id } = (await asked.json()) as { id: string }
    await eventually(async () => {
      const job = (await (await running.request(`/api/v1/jobs/add/${id}`, { token })).json()) as object
      expect(job).to.deep.include({ state: 'completed', result: { sum: 42, greeting: 'moin' } })
    })
  })

  it('is told of sign-ins and sign-outs, and of its own beginning and end', async () => {
    events.length = 0
    const token = await running.signIn()
    await running.request('/api/v1/auth/logout', { method: 'POST', token })
    await eventually(() =>
      expect(events).to.include.members(['signed in true', 'enqueued', 'signed out true']),
    )
  })

  describe('as it ends', () => {
    it('stops what it made in reverse order, past what fails', async () => {
      events.length = 0
      await running.stop()
      expect(events.filter((event) => event === 'stop')).to.have.length(3)
      const stops = events.filter((event) => event.endsWith('stopped'))
      expect(stops).to.have.length(6)
      expect(stops.indexOf('second stopped')).to.equal(0)
      expect(running.log()).to.include('the dog ate the connection')
      running = undefined as never
    })
  })
})
