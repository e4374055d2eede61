import { expect } from 'chai'
import { password, startHttpApp, type Answer, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('Links in mails', () => {
  let redis: TestRedis
  let app: HttpApp
  let closed: HttpApp
  let root: string

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({ redisUrl: redis.url, env: { REGISTRATION: 'on', LIMIT_API: 'off' } })
    closed = await startHttpApp({ redisUrl: redis.url })
    await app.register('root@example.com', ['user', 'admin'])
    root = await app.signIn('root@example.com')
  })
  after(async () => {
    await app?.stop()
    await closed?.stop()
    await redis?.stop()
  })

  const send = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    app.request('POST', path, {
      body: new URLSearchParams(fields).toString(),
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        'Sec-Fetch-Site': 'same-origin',
        ...headers,
      },
    })
  /** The token of the newest mail to this address, and its text. */
  function lastMailTo(address: string) {
    const mail = app.mails.findLast(({ to }) => to === address)
    return {
      text: mail?.text ?? '',
      subject: mail?.subject,
      token: /#token=([\w-]+)/.exec(mail?.text ?? '')?.[1] ?? '',
    }
  }
  const me = async (cookie: string) => (await app.request('GET', '/api/v1/auth/me', { cookie })).json().user
  const expectPage = (answer: Answer, status: number, text: string) => {
    expect(answer.status, answer.text).to.equal(status)
    expect(answer.headers['content-type']).to.include('text/html')
    expect(answer.text).to.include(text)
  }

  describe('that invite', () => {
    async function invite(email: string, headers: Record<string, string> = {}) {
      const json = { email, name: 'Grace' }
      const answer = await app.request('POST', '/api/v1/admin/users', { bearer: root, json, headers })
      expect(answer.status, answer.text).to.equal(201)
      return lastMailTo(email)
    }

    it('lead to a page where a password is set once, which proves the address', async () => {
      const { text, token } = await invite('grace@example.com')
      expect(text).to.include('https://app.example.com/invitation#token=').and.include('for 7 days')
      expectPage(await app.request('GET', '/invitation'), 200, 'action="./invitation"')
      const weak = await send('/invitation', { token, newPassword: 'short' })
      expectPage(weak, 422, 'The new password must be at least 8 characters long.')
      expect(weak.text, 'the token need not be given again').to.include(`value="${token}"`)

      const answer = await send('/invitation', { token, newPassword: password })
      expect(answer.headers.location).to.equal('./invitation?state=done')
      expectPage(await app.request('GET', '/invitation?state=done'), 200, 'Your password is set.')
      expect((await me(await app.signIn('grace@example.com'))).emailVerified).to.equal(true)

      for (const dead of [token, 'never-was', 'x'.repeat(256)]) {
        expectPage(
          await send('/invitation', { token: dead, newPassword: password }),
          422,
          'This link has ended',
        )
      }
    })

    it('end when another password is set, or the account is disabled', async () => {
      const { token } = await invite('ended@example.com')
      const account = (await app.accounts.findByEmail('ended@example.com'))!
      const json = { disabled: true }
      await app.request('PATCH', `/api/v1/admin/users/${account.id}`, { bearer: root, json })
      expectPage(await send('/invitation', { token, newPassword: password }), 422, 'This link has ended')
    })

    it('are in the language of who invites', async () => {
      const { text, subject } = await invite('de@example.com', { 'Accept-Language': 'de' })
      expect(subject).to.equal('Ihr Konto: Setzen Sie ein Passwort')
      expect(text).to.include('Guten Tag Grace,')
    })
  })

  describe('that confirm an address', () => {
    it('do so once, for the sessions that there are too, and open nothing else', async () => {
      await app.register('ada@example.com')
      const cookie = await app.signIn('ada@example.com')
      expect((await me(cookie)).emailVerified).to.equal(false)
      expectPage(await app.request('GET', '/account', { cookie }), 200, 'not confirmed')
      const asked = await send('/account/verification', {}, { Cookie: `sid=${cookie}` })
      expect(asked.status).to.equal(303)
      const { token, text } = lastMailTo('ada@example.com')
      expect(text).to.include('https://app.example.com/verify-email#token=')

      const json = { token, newPassword: 'another password' }
      const reset = await app.request('POST', '/api/v1/auth/password-reset/confirm', { json })
      expect(reset.json(), 'it sets no password').to.include({ type: 'invalid-token' })

      expectPage(await app.request('GET', '/verify-email'), 200, 'action="./verify-email"')
      const answer = await send('/verify-email', { token })
      expect(answer.headers.location).to.equal('./verify-email?done=1')
      expectPage(await app.request('GET', '/verify-email?done=1'), 200, 'is confirmed')
      expect((await me(cookie)).emailVerified).to.equal(true)
      expectPage(await send('/verify-email', { token }), 422, 'This link has ended')
      expectPage(await send('/verify-email', { token: '' }), 422, 'This link has ended')
      expect(
        (await app.request('POST', '/api/v1/auth/email-verification/request', { bearer: cookie })).status,
      ).to.equal(409)
    })

    it('are asked for by programs as well', async () => {
      await app.register('api@example.com')
      const bearer = await app.signIn('api@example.com')
      expect(
        (await app.request('POST', '/api/v1/auth/email-verification/request', { bearer })).status,
      ).to.equal(202)
      const json = { token: lastMailTo('api@example.com').token }
      const path = '/api/v1/auth/email-verification/confirm'
      expect((await app.request('POST', path, { json })).status).to.equal(204)
      expect((await app.request('POST', path, { json })).json()).to.include({
        status: 422,
        type: 'invalid-token',
      })
    })

    it('go out ten times a day at most, which nobody is told', async () => {
      await app.register('often@example.com')
      const bearer = await app.signIn('often@example.com')
      for (let index = 0; index < 14; index++) {
        const answer = await app.request('POST', '/api/v1/auth/email-verification/request', { bearer })
        expect(answer.status).to.equal(202)
      }
      expect(app.mails.filter(({ to }) => to === 'often@example.com')).to.have.length(10)
    })
  })

  describe('of those who register', () => {
    it('make an account, and answer alike whether there was one', async () => {
      const asked = async (email: string) => {
        const answer = await send('/register', { email, name: 'New <b>' })
        return { status: answer.status, location: answer.headers.location, text: answer.text }
      }
      const fresh = await asked('fresh@example.com')
      expect(fresh).to.include({ status: 303, location: './register?sent=1' })
      const { token, subject } = lastMailTo('fresh@example.com')
      expect(subject).to.equal('Finish your registration')
      await send('/invitation', { token, newPassword: password })
      const user = await me(await app.signIn('fresh@example.com'))
      expect(user).to.deep.include({ roles: ['user'], emailVerified: true, name: 'New <b>' })

      expect(await asked('fresh@example.com')).to.deep.equal(fresh)
      expect(lastMailTo('fresh@example.com').subject).to.equal('You have an account already')
      expect(lastMailTo('fresh@example.com').token).to.equal('')
    })

    it('are sent a link again while they have not used one', async () => {
      await send('/register', { email: 'slow@example.com', name: 'Slow' })
      await send('/register', { email: 'slow@example.com', name: 'Slow' })
      expect(lastMailTo('slow@example.com').subject).to.equal('Finish your registration')
    })

    it('are limited by where they come from', async () => {
      const statuses: number[] = []
      for (let index = 0; index < 12; index++) {
        const json = { email: `flood-${index}@example.com`, name: 'Flood' }
        statuses.push((await app.request('POST', '/api/v1/auth/register', { json })).status)
      }
      expect(statuses).to.include(202).and.include(429)
    })

    it('come from our own pages', async () => {
      const fields = { email: 'other@example.com', name: 'x' }
      expect((await send('/register', fields, { 'Sec-Fetch-Site': 'cross-site' })).status).to.equal(403)
    })

    it('find no such page unless the configuration says so', async () => {
      expect((await closed.request('GET', '/register')).status).to.equal(404)
      expect((await closed.request('POST', '/api/v1/auth/register', { json: {} })).status).to.equal(404)
      expect((await closed.request('GET', '/sign-in')).text).not.to.include('register')
      expect((await app.request('GET', '/sign-in')).text).to.include('href="./register"')
    })
  })

  it('for a new password are asked for and used without scripts', async () => {
    await app.register('forgot@example.com')
    const asked = await send('/reset/request', { email: 'forgot@example.com' })
    expect(asked.headers.location).to.equal('../reset?state=sent')
    expectPage(await app.request('GET', '/reset?state=sent'), 200, 'a mail is on its way')
    const { token } = lastMailTo('forgot@example.com')
    const answer = await send('/reset', { token, newPassword: 'a new one, longer' })
    expect(answer.headers.location).to.equal('./reset?state=done')
    const json = { email: 'forgot@example.com', password: 'a new one, longer' }
    expect((await app.request('POST', '/api/v1/auth/login', { json })).status).to.equal(200)
  })

  describe('that were sent by now', () => {
    it('leave no token in the log', () => {
      const tokens = app.mails.flatMap(({ text }) =>
        [...text.matchAll(/#token=([\w-]+)/g)].map(([, token]) => token!),
      )
      expect(tokens).to.have.length.above(10)
      for (const token of tokens) expect(app.log().includes(token)).to.equal(false)
    })
  })
})
