import { expect } from 'chai'
import { cookieSetBy, password, startHttpApp, type Answer, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('The sign-in page', () => {
  let redis: TestRedis
  let app: HttpApp

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({ redisUrl: redis.url, env: { LIMIT_LOGIN_ACCOUNT: '3/15m' } })
    await app.register('ada@example.com', ['user', 'viewer'])
    await app.register('eve@example.com')
    await app.register('locked@example.com')
  })
  after(async () => {
    await app.stop()
    await redis.stop()
  })

  const ownPage = { 'Sec-Fetch-Site': 'same-origin' }

  /** Sends a form as a browser does. */
  function submit(path: string, fields: Record<string, string>, headers: Record<string, string> = ownPage) {
    return app.request('POST', path, {
      body: new URLSearchParams(fields).toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    })
  }

  const ada = { email: 'ada@example.com', password }

  function expectPage(answer: Answer, status: number): void {
    expect(answer.status, answer.text).to.equal(status)
    expect(answer.headers['content-type']).to.equal('text/html; charset=utf-8')
    expect(answer.headers['cache-control']).to.equal('no-store')
    const policy = answer.headers['content-security-policy']
    expect(policy).to.include("default-src 'none'").and.to.include("frame-ancestors 'none'")
    expect(policy).not.to.include('unsafe')
    expect(answer.text).not.to.match(/<style|<script(?!\s+src="[^"]*"\s+defer[\s>])| style=| on\w+=|https?:/)
  }

  it('is a form that works without scripts', async () => {
    const answer = await app.request('GET', '/sign-in?next=/admin/queues')
    expectPage(answer, 200)
    expect(answer.text).to.include('<form method="post" action="./sign-in?next=%2Fadmin%2Fqueues">')
    for (const id of ['email', 'password']) expect(answer.text).to.include(`<label for="${id}">`)
    expect(answer.text).to.include('autocomplete="current-password"')
  })

  it('signs in and goes on', async () => {
    const answer = await submit('/sign-in?next=%2Fadmin%2Fqueues%3Fstatus%3Dfailed', ada)
    expect(answer.status).to.equal(303)
    expect(answer.headers.location).to.equal('./admin/queues?status=failed')
    const cookie = cookieSetBy(answer)!
    expect(answer.headers['set-cookie']?.[0]).not.to.include('Max-Age')
    const me = await app.request('GET', '/api/v1/auth/me', { cookie })
    expect(me.json().user.email).to.equal('ada@example.com')
  })

  it('keeps a device signed in that asks for it', async () => {
    const answer = await submit('/sign-in', { ...ada, remember: 'on' })
    expect(answer.headers.location).to.equal('./account')
    expect(answer.headers['set-cookie']?.[0]).to.include('Max-Age=2592000')
  })

  it('ends the session that the browser had', async () => {
    const before = cookieSetBy(await submit('/sign-in', ada))!
    await submit('/sign-in', ada, { ...ownPage, Cookie: `sid=${before}` })
    expect((await app.request('GET', '/api/v1/auth/me', { cookie: before })).status).to.equal(401)
  })

  for (const next of [
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    '/\t/evil.example',
    'javascript:alert(1)',
    'admin',
    '',
    `/${'x'.repeat(3_000)}`,
  ]) {
    it(`does not go on to ${JSON.stringify(next.slice(0, 40))}`, async () => {
      const answer = await submit(`/sign-in?next=${encodeURIComponent(next)}`, ada)
      expect(answer.status).to.equal(303)
      const target = new URL(answer.headers.location!, 'https://app.example.com/sign-in')
      expect(target.href).to.equal('https://app.example.com/account')
    })
  }

  it('says the same of a wrong password and of an unknown address, and keeps the address', async () => {
    const wrong = await submit('/sign-in?next=/x', { ...ada, password: 'not her password' })
    const unknown = await submit('/sign-in?next=/x', { email: 'nobody@example.com', password: 'x' })
    for (const answer of [wrong, unknown]) {
      expectPage(answer, 401)
      expect(answer.text).to.include(
        '<p role="alert" id="fault">The e-mail address or the password is wrong.</p>',
      )
      expect(answer.text).to.include('action="./sign-in?next=%2Fx"')
      expect(cookieSetBy(answer)).to.equal(null)
    }
    const plain = (text: string) => text.replaceAll(/(ada|nobody)@example.com/g, '')
    expect(plain(wrong.text)).to.equal(plain(unknown.text))
    expect(wrong.text).to.include('value="ada@example.com"').and.not.to.include('not her password')
  })

  it('writes nothing of what it is sent into the page as it came', async () => {
    const next = '/sign-in?next=/%22%3E%3Cb%3E'
    const odd = await submit(next, { email: `a&b'c@x.org`, password: 'x' })
    expectPage(odd, 401)
    expect(odd.text)
      .to.match(/value="a&amp;b&#(39|x27);c@x\.org"/)
      .and.not.to.include('"><b>')
    const hostile = await submit(next, { email: '"><script>alert(1)</script>@x.org', password: 'x' })
    expectPage(hostile, 422)
    expect(hostile.text).not.to.include('<script>alert').and.not.to.include('"><b>')
  })

  it('is under the limits of the sign-in by the API', async () => {
    const fields = { email: 'locked@example.com', password: 'a guess' }
    for (let guess = 0; guess < 3; guess++) expect((await submit('/sign-in', fields)).status).to.equal(401)
    const refused = await submit('/sign-in', fields)
    expectPage(refused, 429)
    expect(refused.headers).to.have.property('retry-after')
    expect(refused.text).to.include('role="alert"')
    const json = { email: 'locked@example.com', password }
    expect((await app.request('POST', '/api/v1/auth/login', { json })).status).to.equal(429)
  })

  for (const headers of [
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { Origin: 'https://evil.example' },
    { Origin: 'null' },
    {},
  ] as Record<string, string>[]) {
    it(`signs nobody in from elsewhere: ${JSON.stringify(headers)}`, async () => {
      const answer = await submit('/sign-in', ada, headers)
      expectPage(answer, 403)
      expect(cookieSetBy(answer)).to.equal(null)
    })
  }

  it('takes a form of older browsers, which say where it comes from in Origin', async () => {
    const answer = await submit('/sign-in', ada, { Host: 'app.test:81', Origin: 'http://app.test:81' })
    expect(answer.status).to.equal(303)
  })

  it('says what is missing in words for people, and refuses what is no form', async () => {
    for (const fields of [{}, { email: 'ada@example.com' }, { ...ada, role: 'admin' }]) {
      const answer = await submit('/sign-in', fields as Record<string, string>)
      expectPage(answer, 422)
      expect(answer.text).to.include('Please give your e-mail address and your password.')
    }
    const twice = { body: 'email=a@b.c&email=d@e.f&password=x' }
    const type = { 'Content-Type': 'application/x-www-form-urlencoded', ...ownPage }
    expectPage(await app.request('POST', '/sign-in', { ...twice, headers: type }), 400)
    expectPage(await app.request('POST', '/sign-in', { json: ada, headers: ownPage }), 415)
    expectPage(await app.request('POST', '/sign-in', { body: Buffer.from([0xff]), headers: type }), 400)
  })

  it('shows who is signed in, with the places they may go and the way out', async () => {
    const cookie = await app.signIn('ada@example.com')
    const answer = await app.request('GET', '/sign-in', { cookie })
    expectPage(answer, 200)
    expect(answer.text).to.include('ada@example.com').and.to.include('action="./sign-out"')
    expect(answer.text).to.include('href="./account"')
  })

  it('signs out: the session is dead, the cookie gone, and the page says so', async () => {
    const cookie = await app.signIn('ada@example.com')
    const answer = await submit('/sign-out', {}, { ...ownPage, Cookie: `sid=${cookie}` })
    expect(answer.status).to.equal(303)
    expect(answer.headers.location).to.match(/^\.\/sign-in\?out=1&workers=1&silent=0&ms=\d+$/)
    expect(cookieSetBy(answer)).to.equal('')
    expect((await app.request('GET', '/api/v1/auth/me', { cookie })).status).to.equal(401)
    const page = await app.request('GET', '/sign-in?out=1')
    expect(page.text).to.include('<p role="status">You have signed out.</p>')
  })

  it('signs nobody out from elsewhere', async () => {
    const cookie = await app.signIn('ada@example.com')
    const headers = { 'Sec-Fetch-Site': 'cross-site', Cookie: `sid=${cookie}` }
    expectPage(await submit('/sign-out', {}, headers), 403)
    expect((await app.request('GET', '/api/v1/auth/me', { cookie })).status).to.equal(200)
  })

  it('gives the page of the links in mails, and the files that pages are made with', async () => {
    const page = await app.request('GET', '/reset')
    expectPage(page, 200)
    expect(page.text).to.include('action="./reset"').and.include('action="./reset/request"')
    const types: Record<string, RegExp> = {
      '/assets/pages.css': /^text\/css/,
      '/assets/icon.svg': /^image\/svg/,
      '/assets/token.js': /^text\/javascript/,
    }
    for (const [path, type] of Object.entries(types)) {
      const answer = await app.request('GET', path)
      expect(answer.status).to.equal(200)
      expect(answer.headers['content-type']).to.match(type)
      expect(answer.text).to.have.length.above(100)
    }
  })
})
