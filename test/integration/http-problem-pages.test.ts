import { expect } from 'chai'
import { eventually } from '../support/eventually.ts'
import { startHttpApp, type Answer, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

/** As Firefox sends it when somebody follows a link. */
const browser = { Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

describe('A problem that a browser shows', () => {
  let redis: TestRedis
  let app: HttpApp

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({ redisUrl: redis.url })
    await app.register('ada@example.com')
  })
  after(async () => {
    await app.stop()
    await redis.stop()
  })

  function expectPage(answer: Answer, status: number, text: string): void {
    expect(answer.status, answer.text).to.equal(status)
    expect(answer.headers['content-type']).to.equal('text/html; charset=utf-8')
    expect(answer.headers['cache-control']).to.equal('no-store')
    expect(answer.headers.vary).to.include('Accept')
    expect(answer.headers['content-security-policy']).to.include("default-src 'none'")
    expect(answer.text).to.include('<h1>').and.to.include(text)
    expect(answer.text).to.not.match(/<script(?!\s+src="[^"]*"\s+defer)/)
  }

  function expectProblem(answer: Answer, status: number): void {
    expect(answer.status, answer.text).to.equal(status)
    expect(answer.headers['content-type']).to.equal('application/problem+json; charset=utf-8')
    expect(answer.json()).to.include({ status })
  }

  it('is a page at a path where nothing is, with links that work wherever it lies', async () => {
    const answer = await app.request('GET', '/no/such/<script>/path', { headers: browser })
    expectPage(answer, 404, 'There is nothing at this path.')
    expect(answer.text).to.include('href="../../../assets/pages.css"')
    expectPage(await app.request('GET', '/nothing', { headers: browser }), 404, 'Not found')
    expect((await app.request('HEAD', '/nothing', { headers: browser })).text).to.equal('')
  })

  it('is a page for who may not go there', async () => {
    const cookie = await app.signIn('ada@example.com')
    const answer = await app.request('GET', '/api/v1/admin/users', { cookie, headers: browser })
    expectPage(answer, 403, 'This needs the role')
  })

  it('stays an answer for programs when programs ask, or a script of a page', async () => {
    for (const accept of ['application/json', '*/*', 'application/json, text/html;q=0.5', 'nonsense', '']) {
      expectProblem(await app.request('GET', '/nothing', { headers: { Accept: accept } }), 404)
    }
    expectProblem(await app.request('GET', '/nothing'), 404)
    expectProblem(await app.request('GET', '/api/v1/auth/me', { headers: browser }), 401)
    const json = { email: 'x', password: 'y' }
    expectProblem(await app.request('POST', '/api/v1/auth/login', { json, headers: browser }), 422)
  })

  it('tells a monitor what it tells everybody', async () => {
    expect((await app.request('GET', '/livez', { headers: browser })).json()).to.deep.equal({ status: 'ok' })
    const cookie = await app.signIn('ada@example.com')
    redis.freeze()
    try {
      const answer = await app.request('GET', '/readyz', { headers: browser })
      expectProblem(answer, 503)
      expect(answer.json().checks).to.include({ database: 'ok' })
      // Once the lease is over nothing is decided from memory any more.
      await eventually(async () => {
        const page = await app.request('GET', '/api/v1/auth/me', { cookie, headers: browser })
        expectPage(page, 503, 'Temporarily unavailable')
        expect(page.headers).to.include.keys('retry-after')
      })
    } finally {
      redis.thaw()
    }
  })
})
