import { expect } from 'chai'
import type { Account } from '../../shared/accounts/accounts.ts'
import type { SessionService } from '../../shared/sessions/create-sessions.ts'
import { eventually } from '../support/eventually.ts'
import { cookieSetBy, password, startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const newPassword = 'seven copper kettles'

describe('Passwords over HTTP', () => {
  let redis: TestRedis
  let app: HttpApp
  let alice: Account
  let email: string
  let people = 0
  /** Makes the next revocations of a user unconfirmed. */
  let unconfirmed = 0

  before(async () => {
    redis = await startRedis()
    const doubtful = { outcome: 'unconfirmed', cause: new Error('a worker is silent') } as const
    app = await startHttpApp({
      redisUrl: redis.url,
      interpose: (sessions: SessionService) => ({
        ...sessions,
        revokeUser: async (...args) => (unconfirmed-- > 0 ? doubtful : sessions.revokeUser(...args)),
        rotateAndRevokeOthers: async (...args) =>
          unconfirmed-- > 0 ? doubtful : sessions.rotateAndRevokeOthers(...args),
      }),
    })
  })
  beforeEach(async () => {
    unconfirmed = 0
    email = `alice${++people}@example.com`
    alice = await app.register(email)
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })

  const me = (bearer: string) => app.request('GET', '/api/v1/auth/me', { bearer })

  describe('change', () => {
    const change = (options: object, json: object = { currentPassword: password, newPassword }) =>
      app.request('PUT', '/api/v1/auth/password', { json, ...options })

    it('ends every other session and carries this one on under a new cookie', async () => {
      const [own, other] = [await app.signIn(email), await app.signIn(email)]
      const answer = await change({ cookie: own })
      expect(answer.status).to.equal(204)
      const fresh = cookieSetBy(answer) as string
      expect(fresh)
        .to.match(/^[\w-]{51}$/)
        .and.not.equal(own)
      expect(answer.headers).not.to.have.property('x-session-token')
      expect((await me(own)).status, 'the old token').to.equal(401)
      expect((await me(other)).status, 'the other session').to.equal(401)
      expect((await me(fresh)).status, 'the new token').to.equal(200)
      expect((await app.signIn(email, { password: newPassword })).length).to.equal(51)
    })

    it('hands a Bearer client its new token in a header', async () => {
      const answer = await change({ bearer: await app.signIn(email) })
      expect(answer.status).to.equal(204)
      expect(cookieSetBy(answer)).to.equal(null)
      expect((await me(String(answer.headers['x-session-token']))).status).to.equal(200)
    })

    it('keeps a remembered session remembered', async () => {
      const answer = await change({ cookie: await app.signIn(email, { remember: true }) })
      const maxAge = Number(/Max-Age=(\d+)/.exec(answer.headers['set-cookie']?.[0] ?? '')?.[1])
      expect(maxAge).to.be.within(2_591_900, 2_592_000)
    })

    it('needs the current password, and changes nothing without it', async () => {
      const bearer = await app.signIn(email)
      const answer = await change({ bearer }, { currentPassword: 'wrong', newPassword })
      expect(answer.json()).to.include({ status: 422, type: 'invalid-fields' })
      expect(answer.json().errors[0].field).to.equal('currentPassword')
      expect((await me(bearer)).status).to.equal(200)
    })

    it('refuses a new password that is too weak, and says why', async () => {
      const answer = await change(
        { bearer: await app.signIn(email) },
        { currentPassword: password, newPassword: 'short' },
      )
      expect(answer.json().errors).to.deep.equal([
        { field: 'newPassword', message: 'must be at least 8 characters long' },
      ])
    })

    it('lets one of two changes at the same time win', async () => {
      const [one, two] = [await app.signIn(email), await app.signIn(email)]
      const answers = await Promise.all([change({ bearer: one }), change({ bearer: two })])
      const statuses = answers.map(({ status }) => status).sort()
      expect(statuses[0]).to.equal(204)
      expect(statuses[1]).to.be.oneOf([401, 409, 422])
    })

    it('says that the password was changed when the rest could not be confirmed', async () => {
      const bearer = await app.signIn(email)
      unconfirmed = 1
      const answer = await change({ bearer })
      expect(answer.json()).to.include({ status: 503, type: 'revocation-unconfirmed' })
      expect(answer.json().detail).to.match(/password was changed/)
      const again = await app.request('POST', '/api/v1/auth/logout-all', { bearer })
      expect(again.status).to.equal(200)
    })
  })

  describe('reset', () => {
    const request = (address: string) =>
      app.request('POST', '/api/v1/auth/password-reset/request', { json: { email: address } })
    const confirm = (json: object) => app.request('POST', '/api/v1/auth/password-reset/confirm', { json })

    async function askForToken(): Promise<string> {
      await request(email)
      const mail = await eventually(
        () => app.mails.find(({ to }) => to === email) ?? expect.fail('no mail yet'),
      )
      return /#token=([\w-]{43})$/.exec(mail.text)?.[1] ?? expect.fail(`no link in ${mail.text}`)
    }

    it('answers the same whether there is such an account or not', async () => {
      const disabled = await app.register(`disabled-${email}`)
      await app.accounts.update(disabled.id, { disabled: true })
      const answers = [
        await request(email),
        await request('nobody@example.com'),
        await request(disabled.email),
      ]
      for (const answer of answers) {
        expect(answer.status).to.equal(202)
        expect(answer.text).to.equal(answers[0]?.text)
      }
      await eventually(() => expect(app.mails.map(({ to }) => to)).to.include(email))
      expect(app.mails.map(({ to }) => to)).not.to.include(disabled.email)
    })

    it('mails a link to our own address, whatever Host the request named, with the token in its fragment', async () => {
      await app.request('POST', '/api/v1/auth/password-reset/request', {
        json: { email },
        headers: { Host: 'evil.test' },
      })
      const mail = await eventually(
        () => app.mails.find(({ to }) => to === email) ?? expect.fail('no mail yet'),
      )
      expect(mail.text).to.match(/^https:\/\/app\.example\.com\/reset#token=[\w-]{43}$/)
    })

    it('sets the password and ends all sessions of the user', async () => {
      const session = await app.signIn(email)
      const token = await askForToken()
      expect((await confirm({ token, newPassword })).status).to.equal(204)
      expect((await me(session)).status).to.equal(401)
      await app.signIn(email, { password: newPassword })
      expect(await app.accounts.passwordHash(alice.id)).to.equal(`hash of ${newPassword}`)
      expect(app.log()).not.to.include(token)
    })

    it('takes a token once', async () => {
      const token = await askForToken()
      const answers = await Promise.all([confirm({ token, newPassword }), confirm({ token, newPassword })])
      expect(answers.map(({ status }) => status).sort()).to.deep.equal([204, 422])
      expect((await confirm({ token, newPassword })).json()).to.include({
        status: 422,
        type: 'invalid-token',
      })
    })

    for (const token of ['', 'x', 'x'.repeat(43), '\u0000'.repeat(43)]) {
      it(`refuses the token ${JSON.stringify(token.slice(0, 4))}`, async () => {
        expect((await confirm({ token, newPassword })).json()).to.include({
          status: 422,
          type: 'invalid-token',
        })
      })
    }

    it('keeps the token for another try when the new password is too weak', async () => {
      const token = await askForToken()
      expect((await confirm({ token, newPassword: 'short' })).json().type).to.equal('invalid-fields')
      expect((await confirm({ token, newPassword })).status).to.equal(204)
    })

    it('changes nothing when the sessions cannot be ended, and the same token finishes the job', async () => {
      const session = await app.signIn(email)
      const token = await askForToken()
      unconfirmed = 1
      const answer = await confirm({ token, newPassword })
      expect(answer.json()).to.include({ status: 503, type: 'revocation-unconfirmed' })
      expect(await app.accounts.passwordHash(alice.id)).to.equal(`hash of ${password}`)
      expect((await confirm({ token, newPassword })).status).to.equal(204)
      expect((await me(session)).status).to.equal(401)
    })
  })
})
