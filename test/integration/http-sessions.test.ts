import { expect } from 'chai'
import { defineRoute } from '../../shared/app/route.ts'
import { cookieSetBy, startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('Sessions over HTTP', () => {
  let redis: TestRedis
  let app: HttpApp
  /** What the slow route does between being authenticated and answering. */
  let meanwhile: () => Promise<unknown> = async () => {}

  const slow = defineRoute({
    method: 'GET',
    path: '/slow',
    access: 'signed-in',
    summary: 'An application route that takes its time',
    replies: { 200: { description: 'Data' } },
    async handler(ctx) {
      await meanwhile()
      ctx.body = { data: 'private' }
    },
  })

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({ redisUrl: redis.url, routes: [slow] })
    await app.register('alice@example.com')
    await app.register('bob@example.com')
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })

  const me = (token: string) => app.request('GET', '/api/v1/auth/me', { bearer: token })
  const logout = (options: object) => app.request('POST', '/api/v1/auth/logout', options)

  describe('me', () => {
    it('says who is asking, by cookie and by Bearer token', async () => {
      const token = await app.signIn('alice@example.com')
      const byBearer = await me(token)
      const byCookie = await app.request('GET', '/api/v1/auth/me', { cookie: token })
      expect(byBearer.status).to.equal(200)
      expect(byBearer.json().user.email).to.equal('alice@example.com')
      expect(byBearer.json().session.current).to.equal(true)
      expect(byCookie.json()).to.deep.equal(byBearer.json())
      expect(byBearer.headers).to.include({
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
      })
    })

    it('goes by the Bearer token when both are sent', async () => {
      const [alice, bob] = [await app.signIn('alice@example.com'), await app.signIn('bob@example.com')]
      const answer = await app.request('GET', '/api/v1/auth/me', { bearer: bob, cookie: alice })
      expect(answer.json().user.email).to.equal('bob@example.com')
      const wrong = await app.request('GET', '/api/v1/auth/me', { bearer: 'x', cookie: alice })
      expect(wrong.status).to.equal(401)
    })

    it('ignores an Authorization header that is not for us', async () => {
      const cookie = await app.signIn('alice@example.com')
      const headers = { Authorization: 'Basic dXNlcjpwYXNz' }
      expect((await app.request('GET', '/api/v1/auth/me', { cookie, headers })).status).to.equal(200)
    })

    const hopeless: [what: string, headers: Record<string, string>, detail: RegExp][] = [
      ['nothing', {}, /no session cookie and no Bearer token/],
      ['an empty cookie', { Cookie: 'sid=' }, /cookie is malformed/],
      ['a cookie of another length', { Cookie: `sid=${'a'.repeat(42)}` }, /cookie is malformed/],
      ['an oversized cookie', { Cookie: `sid=${'a'.repeat(8_000)}` }, /cookie is malformed/],
      ['a cookie of another alphabet', { Cookie: `sid=${'+'.repeat(43)}` }, /cookie is malformed/],
      ['a cookie that looks like a key', { Cookie: 'sid={sx}:s:*' }, /cookie is malformed/],
      ['an unknown cookie', { Cookie: `sid=${'a'.repeat(43)}` }, /has ended or never was/],
      ['Bearer and nothing', { Authorization: 'Bearer' }, /Bearer token is malformed/],
      ['two Bearer tokens', { Authorization: 'Bearer a b' }, /Bearer token is malformed/],
      ['an unknown Bearer token', { Authorization: `Bearer ${'b'.repeat(43)}` }, /has ended or never was/],
    ]
    for (const [what, headers, detail] of hopeless) {
      it(`answers ${what} with a 401 that says so`, async () => {
        const answer = await app.request('GET', '/api/v1/auth/me', { headers })
        expect(answer.json()).to.include({ status: 401, type: 'unauthenticated' })
        expect(answer.json().detail).to.match(detail)
        expect(answer.headers['www-authenticate']).to.equal('Bearer')
        expect(cookieSetBy(answer)).to.equal(null)
      })
    }

    it('answers two different session cookies with a 400 that says what to do', async () => {
      const headers = { Cookie: `sid=${'a'.repeat(43)}; sid=${'b'.repeat(43)}` }
      const answer = await app.request('GET', '/api/v1/auth/me', { headers })
      expect(answer.json()).to.include({ status: 400, type: 'ambiguous-cookie' })
    })
  })

  it('verify tells a proxy who is asking', async () => {
    const token = await app.signIn('alice@example.com')
    const answer = await app.request('GET', '/api/v1/auth/verify', { cookie: token })
    const { user, session } = (await me(token)).json()
    expect(answer.status).to.equal(204)
    expect(answer.headers).to.include({
      'x-auth-user': user.id,
      'x-auth-roles': 'user',
      'x-auth-session': session.id,
    })
    expect((await app.request('GET', '/api/v1/auth/verify')).status).to.equal(401)
  })

  describe('logout', () => {
    it('ends the session, and takes the cookie and the stored data back from the browser', async () => {
      const token = await app.signIn('alice@example.com')
      const answer = await logout({ cookie: token })
      expect(answer.status).to.equal(204)
      expect(answer.headers['set-cookie']).to.deep.equal(['sid=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'])
      expect(answer.headers['clear-site-data']).to.match(/"storage"/)
      expect((await me(token)).status).to.equal(401)
    })

    it('sets no cookie for a Bearer request', async () => {
      const answer = await logout({ bearer: await app.signIn('alice@example.com') })
      expect(answer.status).to.equal(204)
      expect(answer.headers).not.to.have.any.keys('set-cookie', 'clear-site-data')
    })

    it('is done when the session had ended before, or never was', async () => {
      const token = await app.signIn('alice@example.com')
      await logout({ bearer: token })
      for (const dead of [token, 'u'.repeat(43), 'malformed']) {
        const answer = await logout({ cookie: dead })
        expect(answer.status).to.equal(204)
        expect(cookieSetBy(answer)).to.equal('')
      }
    })

    it('is a 401 when no session was shown', async () => {
      expect((await logout({})).json()).to.include({ status: 401, type: 'unauthenticated' })
    })

    it('is refused from another site, and the session lives on', async () => {
      const token = await app.signIn('alice@example.com')
      const answer = await logout({ headers: { Cookie: `sid=${token}`, Origin: 'https://evil.test' } })
      expect(answer.json()).to.include({ status: 403, type: 'csrf' })
      expect((await me(token)).status).to.equal(200)
    })

    it('that could not be confirmed is a 503, and the cookie stays for asking again', async () => {
      const unsure = await startHttpApp({
        redisUrl: redis.url,
        interpose: (sessions) => ({
          ...sessions,
          revoke: async () => ({ outcome: 'unconfirmed', cause: new Error('a worker is silent') }),
        }),
      })
      try {
        await unsure.register('carol@example.com')
        const token = await unsure.signIn('carol@example.com')
        const answer = await unsure.request('POST', '/api/v1/auth/logout', { cookie: token })
        expect(answer.json()).to.include({ status: 503, type: 'revocation-unconfirmed' })
        expect(answer.headers['retry-after']).to.equal('1')
        expect(answer.headers).not.to.have.any.keys('set-cookie', 'clear-site-data')
        expect(answer.text).not.to.include('silent')
      } finally {
        await unsure.stop()
      }
    })
  })

  describe('logout-all', () => {
    it('ends every session of the user and of nobody else', async () => {
      await app.request('POST', '/api/v1/auth/logout-all', { bearer: await app.signIn('alice@example.com') })
      const bob = await app.signIn('bob@example.com')
      const tokens = [await app.signIn('alice@example.com'), await app.signIn('alice@example.com')]
      const answer = await app.request('POST', '/api/v1/auth/logout-all', { cookie: tokens[0] })
      expect(answer.json()).to.deep.equal({ revoked: 2 })
      expect(cookieSetBy(answer)).to.equal('')
      for (const token of tokens) expect((await me(token)).status).to.equal(401)
      expect((await me(bob)).status).to.equal(200)
    })

    it('keeps the session that asks when told to', async () => {
      const [other, own] = [await app.signIn('alice@example.com'), await app.signIn('alice@example.com')]
      const answer = await app.request('POST', '/api/v1/auth/logout-all', {
        cookie: own,
        json: { keepCurrent: true },
      })
      expect(answer.json().revoked).to.equal(1)
      expect(cookieSetBy(answer)).to.equal(null)
      expect((await me(own)).status).to.equal(200)
      expect((await me(other)).status).to.equal(401)
    })
  })

  describe('the list', () => {
    it('shows the user their sessions and no token', async () => {
      await app.request('POST', '/api/v1/auth/logout-all', { bearer: await app.signIn('alice@example.com') })
      const phone = await app.signIn('alice@example.com', { label: 'phone' })
      const laptop = await app.signIn('alice@example.com', { label: 'laptop' })
      const answer = await app.request('GET', '/api/v1/auth/sessions', { bearer: phone })
      const { sessions } = answer.json()
      expect(sessions).to.have.length(2)
      const byLabel = Object.fromEntries(sessions.map((each: { label: string }) => [each.label, each]))
      expect(byLabel.phone.current).to.equal(true)
      expect(byLabel.laptop.current).to.equal(false)
      for (const token of [phone, laptop]) expect(answer.text).not.to.include(token)
    })

    it('changes the label of the session that asks', async () => {
      const bearer = await app.signIn('alice@example.com')
      const path = '/api/v1/auth/sessions/current'
      const named = await app.request('PATCH', path, { bearer, json: { label: ' kitchen ' } })
      expect(named.json().session.label).to.equal('kitchen')
      expect((await me(bearer)).json().session.label).to.equal('kitchen')
      const unnamed = await app.request('PATCH', path, { bearer, json: { label: null } })
      expect(unnamed.json().session.label).to.equal(null)
      for (const json of [
        {},
        { label: '' },
        { label: 7 },
        { label: 'x'.repeat(101) },
        { label: 'a', id: 'b' },
      ]) {
        expect((await app.request('PATCH', path, { bearer, json })).status).to.equal(422)
      }
    })

    it('ends one of them by its public id, and only the own', async () => {
      const [own, other] = [await app.signIn('alice@example.com'), await app.signIn('alice@example.com')]
      const bob = await app.signIn('bob@example.com')
      const idOf = async (token: string) => (await me(token)).json().session.id as string
      const end = (id: string, token: string) =>
        app.request('DELETE', `/api/v1/auth/sessions/${id}`, { cookie: token })

      const id = await idOf(other)
      expect((await end(await idOf(bob), own)).status, 'a session of somebody else').to.equal(404)
      expect((await me(bob)).status).to.equal(200)
      const ended = await end(id, own)
      expect(ended.status).to.equal(204)
      expect(cookieSetBy(ended)).to.equal(null)
      expect((await me(other)).status).to.equal(401)
      expect((await end(id, own)).json()).to.include({ status: 404, type: 'not-found' })
      const last = await end(await idOf(own), own)
      expect(last.status).to.equal(204)
      expect(cookieSetBy(last)).to.equal('')
    })

    for (const id of ['%00', 'a%0d%0ab', '%7Bsx%7D', 'x'.repeat(65), '..%2f..']) {
      it(`answers the id ${id.slice(0, 12)} with a 422`, async () => {
        const bearer = await app.signIn('alice@example.com')
        const answer = await app.request('DELETE', `/api/v1/auth/sessions/${id}`, { bearer })
        expect(answer.json()).to.include({ status: 422, type: 'invalid-fields' })
      })
    }
  })

  describe('the gate before an answer', () => {
    it('keeps the data back when the session ended while the request was being served', async () => {
      const token = await app.signIn('alice@example.com')
      meanwhile = () => logout({ bearer: token })
      const answer = await app.request('GET', '/slow', { cookie: token })
      expect(answer.json()).to.include({ status: 401, type: 'session-gone' })
      expect(answer.text).not.to.include('private')
      expect(cookieSetBy(answer)).to.equal(null)
    })

    it('lets the data through while the session lives', async () => {
      meanwhile = async () => {}
      const answer = await app.request('GET', '/slow', { bearer: await app.signIn('alice@example.com') })
      expect(answer.json()).to.deep.equal({ data: 'private' })
    })
  })
})
