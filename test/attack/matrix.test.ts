import { expect } from 'chai'
import { startHttpApp, type Answer, type HttpApp, type RequestOptions } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { hostileTexts, hostileValues, long } from './effort.ts'

interface Operation {
  readonly method: string
  readonly path: string
  readonly secured: boolean
  /** Those who may call it; null: whoever is signed in. */
  readonly roles: readonly string[] | null
  readonly fields: readonly string[]
  readonly query: readonly string[]
  readonly form: boolean
}

const people = {
  nobody: null,
  user: ['user'],
  viewer: ['user', 'viewer'],
  operator: ['user', 'operator'],
} as const

/** Every route of /openapi.json, called by everybody, with everything in every field that it names. */
describe('The matrix of routes, roles and fields', function () {
  this.timeout(long ? 600_000 : 120_000)
  let redis: TestRedis
  let app: HttpApp
  let operations: Operation[]
  const tokens = new Map<string, string>()

  before(async () => {
    redis = await startRedis()
    const off = { LIMIT_API: 'off', LIMIT_LOGIN_IP: 'off', LIMIT_LOGIN_ACCOUNT: 'off' }
    app = await startHttpApp({ redisUrl: redis.url, env: off })
    for (const [name, roles] of Object.entries({ ...people, admin: ['user', 'admin'] as const })) {
      if (roles === null) continue
      await app.register(`${name}@example.com`, [...roles])
      tokens.set(name, await app.signIn(`${name}@example.com`))
    }
    operations = operationsOf((await app.request('GET', '/openapi.json')).json())
    expect(operations.length).to.be.greaterThan(20)
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })

  const nameOf = ({ method, path }: Operation) => `${method} ${path}`
  const concrete = (path: string, value = 'nobody') => path.replace(/\{\w+\}/g, value)

  /** Nothing of ours breaks, and nothing is told that helps. */
  function expectRefusal(answer: Answer, what: string): void {
    expect(answer.status, `${what}: ${answer.text.slice(0, 300)}`).to.be.within(200, 499)
    expect(answer.text, what).to.not.match(/node_modules|at \w+ \(|ReplyError|SQLITE|WRONGTYPE|user_script/)
    for (const [header, value] of Object.entries(answer.headers)) {
      expect(String(value), `${what}: ${header}`).to.not.match(/[\r\n]/)
    }
    expect(answer.headers['set-cookie'], what).to.equal(undefined)
  }

  it('nobody gets in without a session, and no role does what is not its own', async () => {
    for (const operation of operations) {
      const { method, path, secured, roles } = operation
      for (const name of Object.keys(people)) {
        const token = tokens.get(name)
        const held: readonly string[] = people[name as keyof typeof people] ?? []
        const options: RequestOptions = token === undefined ? {} : { bearer: token }
        const what = `${name}: ${nameOf(operation)}`
        const allowed =
          !secured || (token !== undefined && (roles === null || roles.some((role) => held.includes(role))))
        // What is allowed is tried with fields that no route has, so that it does nothing.
        const body = operation.fields.length > 0 && !operation.form ? { json: { 'no such field': 1 } } : {}
        if (allowed && method !== 'GET') continue
        const answer = await app.request(method, concrete(path), { ...options, ...body })
        if (!allowed) expect(answer.status, what).to.equal(token === undefined ? 401 : 403)
        else expect(answer.status, what).to.be.lessThan(500)
      }
    }
  })

  it('a cookie changes nothing from another site, whatever the route', async () => {
    const cookie = tokens.get('admin') as string
    const elsewhere: Record<string, string>[] = [
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
      { 'Sec-Fetch-Site': 'none' },
      { 'Sec-Fetch-Site': '' },
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      {},
    ]
    for (const operation of operations.filter(({ method }) => method !== 'GET')) {
      for (const headers of elsewhere) {
        const answer = await app.request(operation.method, concrete(operation.path), {
          headers: { ...headers, Cookie: `sid=${cookie}` },
        })
        expect(answer.status, `${nameOf(operation)} ${JSON.stringify(headers)}`).to.equal(403)
        expect(answer.json().type).to.equal('csrf')
      }
    }
    expect((await app.request('GET', '/api/v1/auth/me', { bearer: cookie })).status).to.equal(200)
  })

  it('no method but its own reaches a route, by no header', async () => {
    const token = tokens.get('admin') as string
    for (const operation of operations.filter(({ method }) => method === 'GET')) {
      for (const header of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
        const headers = { [header]: 'DELETE' }
        const plain = await app.request('GET', concrete(operation.path), { bearer: token })
        const answer = await app.request('GET', concrete(operation.path), { bearer: token, headers })
        expect(answer.status, nameOf(operation)).to.equal(plain.status)
      }
    }
  })

  it('no parameter of a path or query breaks anything, whoever sends it', async () => {
    const values = [
      ...hostileTexts.filter((text) => text.length < 2_000),
      '.',
      '..',
      '%',
      '%zz',
      'a'.repeat(5_000),
    ]
    for (const operation of operations.filter(({ path, query }) => path.includes('{') || query.length > 0)) {
      // What would end its own session or another's is not tried with ids that could be some.
      for (const value of values) {
        const written = /^%|^\.+$/.test(value)
          ? value
          : encodeURIComponent(value.replace(/[\ud800-\udfff]/g, '\ufffd'))
        const query = operation.query.map((name) => `${name}=${written}`).join('&')
        const target = `${concrete(operation.path, written)}${query ? `?${query}` : ''}`
        if (target.length > 15_000 || /\/$|\/\/|\/\.{1,2}(\/|$|\?)/.test(target)) continue
        const what = `${operation.method} ${target.slice(0, 200)}`
        const admin = tokens.get('admin') as string
        expectRefusal(await app.request(operation.method, target, { bearer: admin }), what)
      }
    }
    await expectAlive()
  })

  it('no value of a field breaks anything, in no route', async () => {
    for (const operation of operations) {
      const { method, path, fields, form } = operation
      if (form) continue
      for (const field of fields) {
        for (const value of long ? hostileValues : hostileValues.filter((_value, index) => index % 3 === 0)) {
          // One field alone, so that what is needed beside it is missing: nothing is done.
          const what = `${nameOf(operation)} ${field}=${JSON.stringify(value)?.slice(0, 60)}`
          const json = { [field]: value, 'no such field': 1 }
          const answer = await app.request(method, concrete(path), {
            bearer: tokens.get('admin') as string,
            json,
          })
          expect(answer.status, `${what}: ${answer.text.slice(0, 200)}`).to.be.oneOf([400, 404, 413, 422])
          expectRefusal(answer, what)
        }
      }
    }
    await expectAlive()
  })

  it('no value of a field that is taken breaks anything either', async () => {
    await app.register('expendable@example.com', ['user', 'admin'])
    let token = await app.signIn('expendable@example.com')
    for (const operation of operations) {
      const { method, path, fields, form } = operation
      // What is taken there changes the server for everybody else.
      if (form || /settings|workers/.test(path)) continue
      for (const field of fields) {
        for (const value of long ? hostileValues : hostileValues.filter((_value, index) => index % 3 === 1)) {
          const ask = () => app.request(method, concrete(path), { bearer: token, json: { [field]: value } })
          let answer = await ask()
          if (answer.status === 401 && path !== '/api/v1/auth/login') {
            token = await app.signIn('expendable@example.com')
            answer = await ask()
          }
          const what = `${nameOf(operation)} ${field}=${JSON.stringify(value)?.slice(0, 60)}`
          expect(answer.status, `${what}: ${answer.text.slice(0, 200)}`).to.be.lessThan(500)
        }
      }
    }
    await expectAlive()
  })

  async function expectAlive(): Promise<void> {
    for (const token of tokens.values()) {
      expect((await app.request('GET', '/api/v1/auth/me', { bearer: token })).status).to.equal(200)
    }
  }
})

function operationsOf({ paths }: { paths: Record<string, Record<string, any>> }): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const content = operation.requestBody?.content ?? {}
      const schema = content['application/json']?.schema
      const roles = /Needs the role (.+?)\./.exec(operation.description ?? '')?.[1]
      return {
        method: method.toUpperCase(),
        path,
        secured: operation.security.length > 0,
        roles: roles?.split(' or ') ?? null,
        fields: Object.keys(schema?.properties ?? {}),
        query: (operation.parameters ?? [])
          .filter((each: any) => each.in === 'query')
          .map((each: any) => each.name),
        form: schema === undefined && operation.requestBody !== undefined,
      }
    }),
  )
}
