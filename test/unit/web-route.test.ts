import { once } from 'node:events'
import { createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import Koa from 'koa'
import { z } from 'zod'
import type { KoaApp, AppMiddleware } from '../../shared/app/context.ts'
import { answerProblems } from '../../server/web/pipeline/answer-problems.ts'
import { explainAbsence } from '../../server/web/pipeline/explain-absence.ts'
import { routeRequests } from '../../server/web/routing/routers.ts'
import { defineRoute, type Method, type Route } from '../../shared/app/route.ts'
import { createLogger } from '../../shared/telemetry/log.ts'

function route(method: Method, path: string, more: object = {}): Route {
  return defineRoute({ method, path, access: 'anyone', summary: '', replies: {}, handler() {}, ...more })
}

describe('A route', () => {
  for (const access of [undefined, null, '', 'everyone', {}, { roles: [] }, { roles: [1] }]) {
    it(`cannot be defined with the access rule ${JSON.stringify(access)}`, () => {
      expect(() => route('GET', '/x', { access })).to.throw(TypeError, 'say who may call it')
    })
  }

  it('cannot take fields that it does not name', () => {
    for (const loose of [z.object({ a: z.string() }), z.looseObject({}), z.any(), z.string()]) {
      expect(() => route('POST', '/x', { body: loose })).to.throw(TypeError, 'z.strictObject')
    }
    expect(() => route('POST', '/x', { body: z.strictObject({ a: z.string() }) })).not.to.throw()
  })

  it('cannot take a body with GET or DELETE', () => {
    expect(() => route('GET', '/x', { body: z.strictObject({}) })).to.throw(TypeError, 'takes no body')
  })

  for (const path of ['', 'x', '/x/', '//', '/x//y', '/x?y', '/(.*)', '/:', '/a b']) {
    it(`cannot be at the path ${JSON.stringify(path)}`, () => {
      expect(() => route('GET', path)).to.throw(TypeError)
    })
  }

  it('may leave out its body only where no field is required', () => {
    expect(route('POST', '/x').bodyOptional).to.equal(true)
    expect(route('POST', '/x', { body: z.strictObject({ a: z.string() }) }).bodyOptional).to.equal(false)
    expect(route('POST', '/x', { body: z.strictObject({ a: z.string().optional() }) }).bodyOptional).to.equal(
      true,
    )
  })
})

describe('Mounted routes', () => {
  const app: KoaApp = new Koa()
  const reached: string[] = []
  const guarded: string[] = []

  before(() => {
    const answer: AppMiddleware = (ctx) => {
      reached.push(`${ctx.state.route?.path} ${JSON.stringify(ctx.state.params)}`)
      ctx.body = 'reached'
    }
    const guard: AppMiddleware = (ctx, next) => {
      guarded.push(ctx.path)
      return next()
    }
    app.use((ctx, next) => {
      Object.assign(ctx.state, { route: null, params: {} })
      return next()
    })
    app.use(answerProblems(createLogger({ level: 'silent', pretty: false })))
    app.use(
      routeRequests(
        [
          [route('GET', '/'), route('GET', '/a'), route('POST', '/a'), route('PATCH', '/a/current')],
          [
            route('DELETE', '/a/:id', { params: z.strictObject({ id: z.string() }) }),
            route('GET', '/a/:id/b/:other'),
            route('GET', '/v1.0/x'),
          ],
        ],
        [guard, answer],
      ),
    )
    app.use(explainAbsence())
  })
  beforeEach(() => {
    reached.length = 0
    guarded.length = 0
  })

  async function ask(method: string, path: string): Promise<{ status: number; allow: string | undefined }> {
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const sent = request({ port, method, path, agent: false }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.resume()
    await once(response, 'end')
    server.close()
    return { status: response.statusCode ?? 0, allow: response.headers.allow }
  }

  it('are found at fixed paths and at paths with parameters, in every group', async () => {
    for (const [method, path] of [
      ['GET', '/'],
      ['POST', '/a'],
      ['DELETE', '/a/current'],
      ['HEAD', '/a'],
    ] as const) {
      expect((await ask(method, path)).status).to.equal(200)
    }
    await ask('GET', '/a/1/b/x%20y')
    expect(reached).to.deep.equal([
      '/ {}',
      '/a {}',
      '/a/:id {"id":"current"}',
      '/a {}',
      '/a/:id/b/:other {"id":"1","other":"x y"}',
    ])
    expect(guarded).to.have.length(5)
  })

  for (const path of [
    '/A',
    '/a/',
    '/a//',
    '//a',
    '/b',
    '/a/1/b/',
    '/a/1/b/2/3',
    '/a/./current',
    '/v1x0/x',
    '/toString',
  ]) {
    it(`are not reached at ${path}`, async () => {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH']) {
        expect((await ask(method, path)).status).to.be.oneOf([404, 405])
      }
      expect(reached).to.deep.equal([])
    })
  }

  it('tell which methods there are at a path', async () => {
    expect(await ask('PUT', '/a')).to.deep.equal({ status: 405, allow: 'GET, HEAD, POST, OPTIONS' })
    expect(await ask('OPTIONS', '/a/current')).to.deep.equal({ status: 204, allow: 'DELETE, PATCH, OPTIONS' })
    expect((await ask('GET', '/nothing')).status).to.equal(404)
    expect((await ask('TRACE', '/a')).status).to.equal(405)
    expect((await ask('PROPFIND', '/a')).status).to.equal(405)
  })

  it('refuse a broken percent encoding with a 400', async () => {
    expect((await ask('DELETE', '/a/%E0%A4%A')).status).to.equal(400)
    expect(reached).to.deep.equal([])
  })

  it('may not be two for one request', () => {
    const twins = [[route('GET', '/x/:a')], [route('GET', '/x/:b')]]
    expect(() => routeRequests(twins, [])).to.throw('GET /x/:b is registered twice: GET /x/:a')
  })
})

describe('A path', () => {
  const id = { params: z.strictObject({ id: z.string() }) }
  const ours = [route('GET', '/sign-in'), route('POST', '/sign-in'), route('GET', '/queues/:id', id)]

  /** Which route answers, of those of the server and of those of an application that were registered before them. */
  async function answeredBy(own: readonly Route[], method: string, path: string): Promise<string | null> {
    const app: KoaApp = new Koa()
    let reached: string | null = null
    app.use((ctx, next) => {
      Object.assign(ctx.state, { route: null, params: {} })
      return next()
    })
    const answer: AppMiddleware = (ctx) => {
      reached = `${ctx.state.route?.method} ${ctx.state.route?.path}`
      ctx.body = 'reached'
    }
    app.use(routeRequests([own, ours], [answer], own))
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const sent = request({ port, method, path, agent: false }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    response.resume()
    await once(response, 'end')
    server.close()
    return reached
  }

  it('belongs to one route whatever its query', async () => {
    const own = [route('GET', '/:id', id), route('POST', '/:id', id)]
    for (const query of ['', '?', '?next=/x', '??', '?a=/b?c']) {
      expect(await answeredBy(own, 'GET', `/sign-in${query}`)).to.equal('GET /sign-in')
      expect(await answeredBy(own, 'HEAD', `/sign-in${query}`)).to.equal('GET /sign-in')
      expect(await answeredBy(own, 'POST', `/sign-in${query}`)).to.equal('POST /sign-in')
      expect(await answeredBy(own, 'GET', `http://here.example/sign-in${query}`)).to.equal('GET /sign-in')
      expect(await answeredBy(own, 'GET', `/abc${query}`)).to.equal('GET /:id')
    }
  })

  it('is not taken from a more specific route by one that was registered before it', async () => {
    const own = [route('GET', '/x/:id', id), route('GET', '/x/new')]
    expect(await answeredBy(own, 'GET', '/x/new')).to.equal('GET /x/new')
    expect(await answeredBy(own, 'GET', '/x/new?')).to.equal('GET /x/new')
    expect(await answeredBy(own, 'GET', '/x/old')).to.equal('GET /x/:id')
  })

  it('of the server is not shadowed by a route of the application: that is refused, by name', () => {
    const refused = (...own: Route[]) => {
      for (const groups of [
        [own, ours],
        [ours, own],
      ]) {
        expect(() => routeRequests(groups, [], own)).to.throw(TypeError, "the application's route GET")
      }
    }
    refused(route('GET', '/sign-in'))
    refused(route('GET', '/queues/new'))
    refused(route('GET', '/queues/:other'))
    refused(route('GET', '/:any/new'))
    refused(route('GET', '/:a/new'), route('GET', '/old/:b'))
    const harmless = [route('GET', '/:code'), route('POST', '/queues/new'), route('GET', '/:a/:b')]
    expect(() => routeRequests([harmless, ours], [], harmless)).not.to.throw()
  })
})
