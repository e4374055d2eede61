import { expect } from 'chai'
import fc from 'fast-check'
import { defineRoute } from '../../shared/app/route.ts'
import { startHttpApp, type HttpApp, type RequestOptions } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('HTTP', () => {
  let redis: TestRedis
  let app: HttpApp
  let token: string

  const broken = defineRoute({
    method: 'GET',
    path: '/broken',
    access: 'anyone',
    summary: 'An application route with a bug',
    replies: {},
    handler() {
      throw new Error('connect ECONNREFUSED 10.1.2.3 as user postgres')
    },
  })

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({
      redisUrl: redis.url,
      env: { CORS_ORIGINS: 'https://shop.example.com' },
      routes: [broken],
    })
    await app.register('alice@example.com', ['user', 'admin'])
    token = await app.signIn('alice@example.com')
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })

  const me = '/api/v1/auth/me'
  const login = '/api/v1/auth/login'

  describe('methods and paths', () => {
    it('answers an unknown path with a 404', async () => {
      for (const path of [
        '/nothing',
        '/api/v1/auth/me/',
        '/API/v1/auth/me',
        '//',
        '/.git/config',
        '/%2e%2e/x',
      ]) {
        expect((await app.request('GET', path)).json(), path).to.include({ status: 404, type: 'not-found' })
      }
    })

    it('answers a wrong method with a 405 that lists the right ones', async () => {
      const answer = await app.request('DELETE', me)
      expect(answer.json()).to.include({ status: 405, type: 'method-not-allowed' })
      expect(answer.headers.allow).to.equal('GET, HEAD, OPTIONS')
      expect((await app.request('GET', login)).headers.allow).to.equal('POST, OPTIONS')
    })

    it('answers a method that is answered nowhere with a 405', async () => {
      for (const method of ['PROPFIND', 'MKCOL', 'PURGE', 'SEARCH']) {
        const answer = await app.request(method, me)
        expect(answer.json()).to.include({ status: 405, detail: `${method} is not answered` })
        expect(answer.headers.allow).to.equal('GET, HEAD, OPTIONS')
      }
      const secret = { headers: { 'X-Secret': 'echo me' } }
      const trace = await app.request('TRACE', me, secret)
      expect(trace.status).to.equal(405)
      expect(trace.text).not.to.include('echo me')
    })

    it('answers HEAD as GET without the body', async () => {
      const head = await app.request('HEAD', me, { bearer: token })
      const get = await app.request('GET', me, { bearer: token })
      expect(head.status).to.equal(200)
      expect(head.text).to.equal('')
      expect(head.headers['content-length']).to.equal(get.headers['content-length'])
      expect((await app.request('HEAD', me)).status).to.equal(401)
    })

    it('answers OPTIONS with the methods, and with nobody’s rights', async () => {
      const answer = await app.request('OPTIONS', '/api/v1/auth/sessions/x')
      expect(answer.status).to.equal(204)
      expect(answer.headers.allow).to.equal('DELETE, OPTIONS')
      expect((await app.request('OPTIONS', '*')).status).to.equal(204)
      expect((await app.request('OPTIONS', '/nothing')).status).to.equal(404)
    })

    it('takes an absolute request target', async () => {
      expect((await app.request('GET', 'http://elsewhere.test/livez')).status).to.equal(200)
    })

    it('answers a broken percent encoding with a 400', async () => {
      const answer = await app.request('DELETE', '/api/v1/auth/sessions/%zz', { bearer: token })
      expect(answer.json()).to.include({ status: 400, type: 'malformed-request' })
    })
  })

  describe('bodies', () => {
    const json = { 'Content-Type': 'application/json' }
    const cases: [what: string, options: RequestOptions, status: number, type: string, detail: RegExp][] = [
      ['no body', {}, 400, 'malformed-body', /needs a JSON body/],
      [
        'a form',
        { body: 'email=a', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } },
        415,
        'unsupported-media-type',
        /application\/json/,
      ],
      [
        'JSON sent as text',
        { body: '{}', headers: { 'Content-Type': 'text/plain' } },
        415,
        'unsupported-media-type',
        /application\/json/,
      ],
      ['no content type', { body: '{}' }, 415, 'unsupported-media-type', /application\/json/],
      [
        'a content type that only begins right',
        { body: '{}', headers: { 'Content-Type': 'application/jsonp' } },
        415,
        'unsupported-media-type',
        /application\/json/,
      ],
      [
        'another charset',
        { body: '{}', headers: { 'Content-Type': 'application/json; charset=utf-16' } },
        415,
        'unsupported-media-type',
        /UTF-8/,
      ],
      [
        'a compressed body',
        { body: '{}', headers: { ...json, 'Content-Encoding': 'gzip' } },
        415,
        'unsupported-media-type',
        /Content-Encoding/,
      ],
      ['malformed JSON', { body: '{"email": }', headers: json }, 400, 'malformed-body', /not valid JSON/],
      [
        'invalid UTF-8',
        { body: Buffer.from([0x7b, 0xff, 0x7d]), headers: json },
        400,
        'malformed-body',
        /UTF-8/,
      ],
      ['a list', { body: '[]', headers: json }, 400, 'malformed-body', /JSON object/],
      ['a number', { body: '7', headers: json }, 400, 'malformed-body', /JSON object/],
      ['null', { body: 'null', headers: json }, 400, 'malformed-body', /JSON object/],
      ['a key twice', { body: '{"email":"a","email":"b"}', headers: json }, 400, 'malformed-body', /twice/],
      [
        'deep nesting',
        { body: `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, headers: json },
        400,
        'malformed-body',
        /nested/,
      ],
      [
        'too much',
        { body: `{"a":"${'x'.repeat(70_000)}"}`, headers: json },
        413,
        'body-too-large',
        /65536 bytes/,
      ],
      [
        'far too much in chunks',
        { body: 'x'.repeat(300_000), headers: { ...json, 'Transfer-Encoding': 'chunked' } },
        413,
        'body-too-large',
        /65536 bytes/,
      ],
    ]
    for (const [what, options, status, type, detail] of cases) {
      it(`answers ${what} with a ${status} that says so`, async () => {
        const answer = await app.request('POST', login, options)
        expect(answer.json()).to.include({ status, type })
        expect(answer.json().detail).to.match(detail)
      })
    }

    it('takes an empty body where no field is required', async () => {
      const bearer = await app.signIn('alice@example.com')
      expect((await app.request('POST', '/api/v1/auth/logout-all', { bearer })).status).to.equal(200)
      token = await app.signIn('alice@example.com')
    })

    it('refuses fields on a route that takes none', async () => {
      const answer = await app.request('POST', '/api/v1/auth/logout', {
        bearer: token,
        json: { everywhere: true },
      })
      expect(answer.json()).to.include({ status: 422, type: 'invalid-fields' })
    })

    it('answers any JSON with a 4xx that names what to fix, never a 5xx', async function () {
      await fc.assert(
        fc.asyncProperty(
          fc.jsonValue({ maxDepth: 3 }),
          fc.constantFrom('POST', 'PATCH', 'PUT'),
          async (value, method) => {
            const path = {
              POST: login,
              PATCH: '/api/v1/auth/sessions/current',
              PUT: '/api/v1/auth/password',
            }[method] as string
            const answer = await app.request(method, path, { bearer: token, json: value })
            expect(answer.status).to.be.oneOf([400, 422])
            expect(answer.json().detail).to.be.a('string').and.not.equal('')
          },
        ),
        { numRuns: 60 },
      )
    })
  })

  describe('headers', () => {
    it('tell browsers what not to do with any answer', async () => {
      for (const answer of [await app.request('GET', me), await app.request('GET', me, { bearer: token })]) {
        expect(answer.headers).to.include({
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
          'x-frame-options': 'DENY',
          'cache-control': 'no-store',
          'x-worker': 'web-1',
        })
        const policy = String(answer.headers['content-security-policy'])
        for (const rule of ['default-src', 'object-src', 'base-uri', 'frame-ancestors']) {
          expect(policy).to.include(`${rule} 'none'`)
        }
        expect(answer.headers).not.to.have.any.keys('x-powered-by', 'server', 'strict-transport-security')
      }
    })

    it('carry the id of the request: the caller’s when it is well formed, else a new one', async () => {
      const idFor = async (given: string) =>
        (await app.request('GET', '/livez', { headers: { 'X-Request-Id': given } })).headers['x-request-id']
      expect(await idFor('trace-1.a_B')).to.equal('trace-1.a_B')
      const made = new Set<unknown>()
      for (const given of ['a b', 'x'.repeat(65), '{"forged":1}', 'ä']) {
        const id = await idFor(given)
        expect(id).to.match(/^[\w-]{12}-\d+$/)
        made.add(id)
      }
      expect(made).to.have.property('size', 4)
      const answer = await app.request('GET', me, { headers: { 'X-Request-Id': 'trace-2' } })
      expect(answer.json().requestId).to.equal('trace-2')
    })

    for (const name of ['Authorization', 'Content-Type', 'Origin', 'Sec-Fetch-Site']) {
      it(`are refused with ${name} there twice`, async () => {
        const answer = await app.request('GET', me, { bearer: token, headers: { [name]: ['a', 'b'] } })
        expect(answer.json()).to.include({ status: 400, type: 'malformed-request' })
        expect(answer.json().detail).to.include(name.toLowerCase())
      })
    }

    it('with hostile cookies are answered with a 4xx, never a 5xx', async () => {
      await fc.assert(
        fc.asyncProperty(fc.stringMatching(/^[\x20-\x7e]{0,100}$/), async (value) => {
          const answer = await app.request('GET', me, {
            headers: { Cookie: `a=b; sid=${value}; ${value}=c` },
          })
          expect(answer.status).to.be.oneOf([400, 401])
        }),
        { numRuns: 60 },
      )
    })
  })

  describe('other origins', () => {
    const from = (origin: string, more: object = {}) => ({ headers: { Origin: origin, ...more } })
    const listed = 'https://shop.example.com'
    const preflight = {
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization',
    }

    it('that are listed may read answers, but never with credentials', async () => {
      const answer = await app.request('GET', me, from(listed))
      expect(answer.headers['access-control-allow-origin']).to.equal(listed)
      expect(answer.headers).not.to.have.property('access-control-allow-credentials')
      expect(answer.headers.vary).to.equal('Origin')
    })

    it('that are listed may ask first what they may send', async () => {
      const answer = await app.request('OPTIONS', login, from(listed, preflight))
      expect(answer.status).to.equal(204)
      expect(answer.headers['access-control-allow-methods']).to.include('POST')
      expect(answer.headers['access-control-allow-headers']).to.match(/Authorization/)
    })

    for (const origin of [
      'https://evil.test',
      'null',
      'http://shop.example.com',
      `${listed}.evil.test`,
      '*',
    ]) {
      it(`such as ${origin} get nothing`, async () => {
        for (const answer of [
          await app.request('GET', me, from(origin)),
          await app.request('OPTIONS', login, from(origin, preflight)),
        ]) {
          expect(
            Object.keys(answer.headers).filter((name) => name.startsWith('access-control')),
          ).to.deep.equal([])
          expect(answer.headers.vary).to.equal('Origin')
        }
      })
    }
  })

  it('a fault of our own is a 500 that tells nothing, and a log line that tells all', async () => {
    const answer = await app.request('GET', '/broken')
    expect(answer.json()).to.deep.include({ status: 500, type: 'internal-error' })
    expect(answer.text).not.to.match(/10\.1\.2\.3|postgres|at /)
    expect(app.log()).to.include('ECONNREFUSED 10.1.2.3')
  })

  it('logs requests by the pattern of their route, without query, cookie or token', async () => {
    await app.request('GET', '/api/v1/admin/users?after=needle-in-query', { cookie: token })
    await app.request('DELETE', '/api/v1/auth/sessions/needle-in-path', { bearer: token })
    expect(app.log()).to.include('"route":"/api/v1/auth/sessions/:id"')
    expect(app.log()).not.to.match(/needle/)
    expect(app.log()).not.to.include(token)
  })

  describe('/openapi.json', () => {
    it('describes every route as it is checked', async () => {
      const document = (await app.request('GET', '/openapi.json')).json()
      expect(document.openapi).to.equal('3.1.0')
      expect(document.paths).to.include.keys(
        me,
        login,
        '/api/v1/auth/sessions/{id}',
        '/broken',
        '/openapi.json',
      )

      for (const [path, operations] of Object.entries<Record<string, any>>(document.paths)) {
        for (const [method, operation] of Object.entries(operations)) {
          const concrete = path.replace(/\{\w+\}/g, 'nobody')
          const name = `${method} ${path}`
          const send = (json?: object) =>
            app.request(method.toUpperCase(), concrete, { bearer: token, ...(json ? { json } : {}) })

          if (operation.security.length > 0) {
            expect((await app.request(method.toUpperCase(), concrete)).status, name).to.equal(401)
          }
          const schema = operation.requestBody?.content['application/json'].schema
          if (!schema) continue
          const named = Object.keys(schema.properties ?? {})
          if (named.length > 0) {
            expect(schema.additionalProperties, name).to.equal(false)
            const unknown = (await send({ 'no such field': 1 })).json()
            const fields = unknown.errors.map((error: { field: string }) => error.field)
            const needed = [...(schema.required ?? []), ...(schema.minProperties ? ['body'] : [])]
            expect(fields, name).to.have.members([...needed, 'no such field'])
          }
          if (operation.requestBody.required) expect((await send()).status, name).to.equal(400)
        }
      }
    })

    it('names what every route may answer to a malformed request, another site or a stranger', async () => {
      const { paths } = (await app.request('GET', '/openapi.json')).json()
      const crossSite = { cookie: token, headers: { 'Sec-Fetch-Site': 'cross-site' } }
      for (const [path, operations] of Object.entries<Record<string, any>>(paths)) {
        if (path === '/broken') continue
        const concrete = path.replace(/\{\w+\}/g, 'nobody')
        for (const [method, { responses }] of Object.entries(operations)) {
          const ask = (query: string, options: RequestOptions) =>
            app.request(method.toUpperCase(), concrete + query, options)
          for (const answer of [await ask('?a=1&a=2', {}), await ask('', crossSite), await ask('', {})]) {
            expect(responses, `${method} ${path}`).to.include.keys(String(answer.status))
          }
        }
      }
    })

    it('names every operation once, tags it with its feature, and names the schemas that answers share', async () => {
      const { paths, tags, components } = (await app.request('GET', '/openapi.json')).json()
      const operations = Object.values<Record<string, any>>(paths).flatMap((each) => Object.values(each))
      const ids = operations.map(({ operationId }) => operationId)
      expect(ids).to.include.members(['postAuthLogin', 'getAuthMe', 'deleteAuthSessionsById', 'getLivez'])
      expect(new Set(ids).size).to.equal(ids.length)
      for (const id of ids) expect(id).to.match(/^[a-z][A-Za-z0-9]+$/)
      const known = tags.map(({ name }: { name: string }) => name)
      for (const { operationId, tags: own } of operations) {
        expect(own, operationId).to.have.lengthOf(1)
        expect(known, operationId).to.include(own[0])
      }
      expect(paths[login].post.tags).to.deep.equal(['auth'])

      const named = ['User', 'Session', 'Account', 'Job', 'Schedule', 'Settings', 'AuditEntry', 'Problem']
      expect(components.schemas).to.include.keys(named)
      expect(
        Object.keys(components.schemas).filter((name) => !/^[A-Z][A-Za-z]+\d*$/.test(name)),
      ).to.deep.equal([])
      const { user } = paths[me].get.responses[200].content['application/json'].schema.properties
      expect(user).to.deep.equal({ $ref: '#/components/schemas/User' })
      const text = JSON.stringify({ paths, components })
      expect(text).not.to.include('$defs')
      for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
        expect(components.schemas).to.include.keys(name as string)
      }
    })

    it('documents 429, and the headers that say what is left and when to come back', async () => {
      const answer = await app.request('GET', '/openapi.json')
      expect(answer.headers).to.include.keys('ratelimit', 'ratelimit-policy')
      const { paths, components } = answer.json()
      const names = ['RateLimit', 'RateLimit-Policy', 'Retry-After']
      expect(components.headers).to.have.all.keys(names)
      const { responses } = paths[me].get
      expect(responses[429].headers).to.have.all.keys(names)
      expect(responses[200].headers).to.have.all.keys('RateLimit', 'RateLimit-Policy')
      expect(responses[503].headers).to.have.all.keys('Retry-After')
      expect(paths['/livez'].get.responses).to.not.include.keys('429')
      for (const [path, operations] of Object.entries<Record<string, any>>(paths)) {
        if (/^\/(livez|readyz|startupz|assets|admin\/queues)/.test(path)) continue
        for (const operation of Object.values(operations))
          expect(operation.responses, path).to.include.keys('429')
      }
    })
  })

  describe('health', () => {
    it('is fine while everything is', async () => {
      for (const path of ['/livez', '/startupz']) {
        expect((await app.request('GET', path)).json()).to.deep.equal({ status: 'ok' })
      }
      expect((await app.request('GET', '/readyz')).json()).to.deep.include({
        status: 'ok',
        checks: { redis: 'ok', database: 'ok' },
        signIn: { limits: 'full', recoverySeconds: 0 },
        proxy: 'as-configured',
        settings: 'followed',
      })
    })
  })
})
