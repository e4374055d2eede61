import { expect } from 'chai'
import type { Account } from '../../shared/accounts/accounts.ts'
import { eventually } from '../support/eventually.ts'
import { password, startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('Accounts over HTTP', () => {
  let redis: TestRedis
  let app: HttpApp
  let admin: Account
  let token: string

  before(async () => {
    redis = await startRedis()
  })
  beforeEach(async () => {
    app = await startHttpApp({ redisUrl: redis.url })
    admin = await app.register('root@example.com', ['user', 'admin'])
    token = await app.signIn('root@example.com')
  })
  afterEach(() => app?.stop())
  after(() => redis?.stop())

  const users = '/api/v1/admin/users'
  const asAdmin = (method: string, path: string, json?: object) =>
    app.request(method, path, { bearer: token, ...(json ? { json } : {}) })
  const me = (bearer: string) => app.request('GET', '/api/v1/auth/me', { bearer })

  it('are for administrators only', async () => {
    await app.register('alice@example.com', ['user', 'viewer', 'operator'])
    const alice = await app.signIn('alice@example.com')
    for (const [method, path] of [
      ['GET', users],
      ['POST', users],
      ['PATCH', `${users}/${admin.id}`],
      ['DELETE', `${users}/${admin.id}/sessions`],
      ['GET', `${users}/${admin.id}`],
      ['GET', `${users}/${admin.id}/sessions`],
      ['DELETE', `${users}/${admin.id}/sessions/any`],
      ['POST', `${users}/${admin.id}/password-link`],
    ] as const) {
      expect((await app.request(method, path)).json()).to.include({ status: 401, type: 'unauthenticated' })
      const answer = await app.request(method, path, { bearer: alice })
      expect(answer.json()).to.include({ status: 403, type: 'forbidden' })
      expect(answer.json().detail).to.match(/role admin/)
    }
  })

  it('are listed page by page', async () => {
    for (const name of ['a', 'b', 'c']) await app.register(`${name}@example.com`)
    const first = (await asAdmin('GET', `${users}?limit=2`)).json()
    expect(first.users.map((user: { email: string }) => user.email)).to.deep.equal([
      'a@example.com',
      'b@example.com',
    ])
    const second = (await asAdmin('GET', `${users}?limit=2&after=${encodeURIComponent(first.next)}`)).json()
    expect(second.users.map((user: { email: string }) => user.email)).to.deep.equal([
      'c@example.com',
      'root@example.com',
    ])
    const all = (await asAdmin('GET', users)).json()
    expect(all.users).to.have.length(4)
    expect(all.next).to.equal(null)
    expect(all.users[0]).to.have.all.keys(
      'id email name roles tier emailVerified disabled createdAt updatedAt'.split(' '),
    )
  })

  for (const query of [
    'limit=0',
    'limit=201',
    'limit=x',
    'limit=1e2',
    'limit=',
    'page=2',
    `after=${'x'.repeat(300)}`,
  ]) {
    it(`answers the query ${query.slice(0, 12)} with a 422`, async () => {
      expect((await asAdmin('GET', `${users}?${query}`)).json()).to.include({
        status: 422,
        type: 'invalid-fields',
      })
    })
  }

  it('answers a parameter that is there twice with a 400', async () => {
    expect((await asAdmin('GET', `${users}?limit=1&limit=2`)).json()).to.include({
      status: 400,
      type: 'duplicate-parameter',
    })
  })

  it('are created with a password, and can sign in', async () => {
    const json = { email: 'new@example.com', name: 'New', roles: ['user', 'viewer'], password }
    const answer = await asAdmin('POST', users, json)
    expect(answer.status).to.equal(201)
    expect(answer.json().user).to.deep.include({
      email: 'new@example.com',
      roles: ['user', 'viewer'],
      disabled: false,
    })
    expect(answer.text).not.to.include(password)
    await app.signIn('new@example.com')
    const again = await asAdmin('POST', users, { ...json, email: 'NEW@example.com' })
    expect(again.json()).to.include({ status: 409, type: 'email-taken' })
  })

  it('are invited by mail when created without a password', async () => {
    expect((await asAdmin('POST', users, { email: 'new@example.com', name: 'New' })).status).to.equal(201)
    const mail = await eventually(() => app.mails[0] ?? expect.fail('no mail yet'))
    const reset = /#token=([\w-]+)/.exec(mail.text)?.[1]
    const json = { token: reset, newPassword: password }
    expect((await app.request('POST', '/api/v1/auth/password-reset/confirm', { json })).status).to.equal(204)
    await app.signIn('new@example.com')
  })

  const invalid: [what: string, json: object, field: string][] = [
    ['no name', { email: 'x@example.com' }, 'name'],
    ['an unknown role', { email: 'x@example.com', name: 'X', roles: ['root'] }, 'roles.0'],
    ['no role', { email: 'x@example.com', name: 'X', roles: [] }, 'roles'],
    ['a role twice', { email: 'x@example.com', name: 'X', roles: ['user', 'user'] }, 'roles'],
    ['a weak password', { email: 'x@example.com', name: 'X', password: 'short' }, 'password'],
    ['an id', { email: 'x@example.com', name: 'X', id: 'mine' }, 'id'],
    ['a password hash', { email: 'x@example.com', name: 'X', passwordHash: 'mine' }, 'passwordHash'],
    ['a line break in the name', { email: 'x@example.com', name: 'X\r\nBcc: y' }, 'name'],
  ]
  for (const [what, json, field] of invalid) {
    it(`are not created with ${what}`, async () => {
      const answer = await asAdmin('POST', users, json)
      expect(answer.json()).to.include({ status: 422, type: 'invalid-fields' })
      expect(answer.json().errors[0].field).to.equal(field)
    })
  }

  it('have their new roles on the next request of a session that was there before', async () => {
    const alice = await app.register('alice@example.com')
    const session = await app.signIn('alice@example.com')
    expect((await app.request('GET', users, { bearer: session })).status).to.equal(403)
    const answer = await asAdmin('PATCH', `${users}/${alice.id}`, { roles: ['user', 'admin'] })
    expect(answer.json().user.roles).to.deep.equal(['user', 'admin'])
    expect((await app.request('GET', users, { bearer: session })).status).to.equal(200)
    await asAdmin('PATCH', `${users}/${alice.id}`, { roles: ['user'] })
    expect((await app.request('GET', users, { bearer: session })).status).to.equal(403)
  })

  it('lose all sessions when disabled, and cannot sign in until enabled again', async () => {
    const alice = await app.register('alice@example.com')
    const session = await app.signIn('alice@example.com')
    const answer = await asAdmin('PATCH', `${users}/${alice.id}`, { disabled: true })
    expect(answer.json().user.disabled).to.equal(true)
    expect((await me(session)).status).to.equal(401)
    const json = { email: 'alice@example.com', password }
    expect((await app.request('POST', '/api/v1/auth/login', { json })).json().type).to.equal(
      'invalid-credentials',
    )
    await asAdmin('PATCH', `${users}/${alice.id}`, { disabled: false })
    expect((await me(session)).status, 'the old session').to.equal(401)
    await app.signIn('alice@example.com')
  })

  it('lose their sessions when an administrator ends them', async () => {
    const alice = await app.register('alice@example.com')
    const sessions = [await app.signIn('alice@example.com'), await app.signIn('alice@example.com')]
    const answer = await asAdmin('DELETE', `${users}/${alice.id}/sessions`)
    expect(answer.json()).to.deep.equal({ revoked: 2 })
    for (const session of sessions) expect((await me(session)).status).to.equal(401)
    expect((await asAdmin('DELETE', `${users}/${alice.id}/sessions`)).json()).to.deep.equal({ revoked: 0 })
    await app.signIn('alice@example.com')
  })

  it('are found by a part of the address or the name', async () => {
    for (const name of ['ada', 'bob']) await app.register(`${name}@example.com`)
    const { users: found } = (await asAdmin('GET', `${users}?search=DA%40ex`)).json()
    expect(found.map((user: { email: string }) => user.email)).to.deep.equal(['ada@example.com'])
    expect((await asAdmin('GET', `${users}/${found[0].id}`)).json().user).to.deep.equal(found[0])
  })

  it('lose one session when an administrator ends that one, and keep the others', async () => {
    const { id } = await app.register('alice@example.com')
    const [stolen, kept] = [await app.signIn('alice@example.com'), await app.signIn('alice@example.com')]
    const { session } = (await me(stolen)).json()
    const listed = (await asAdmin('GET', `${users}/${id}/sessions`)).json()
    expect(listed.sessions.map((one: { id: string }) => one.id)).to.include(session.id)
    expect(listed.sessions.every((one: { current: boolean }) => !one.current)).to.equal(true)
    const end = () => asAdmin('DELETE', `${users}/${id}/sessions/${session.id}`)
    expect((await end()).status).to.equal(204)
    expect((await me(stolen)).status).to.equal(401)
    expect((await me(kept)).status).to.equal(200)
    expect((await end()).status, 'a second time').to.equal(404)
    await eventually(async () => {
      const trail = (await asAdmin('GET', `/api/v1/admin/audit?action=session-ended&user=${id}`)).json()
      expect(trail.entries[0]).to.include({ actor: admin.id, subject: id, session: session.id })
    })
  })

  it('get a link to set a password when an administrator asks for it, unless they are disabled', async () => {
    const { id } = await app.register('alice@example.com')
    const ask = () => asAdmin('POST', `${users}/${id}/password-link`)
    expect((await ask()).status).to.equal(202)
    await eventually(() => {
      expect(app.mails.map(({ to }) => to)).to.deep.equal(['alice@example.com'])
    })
    await asAdmin('PATCH', `${users}/${id}`, { disabled: true })
    expect((await ask()).json()).to.include({ status: 409, type: 'conflict' })
    expect((await asAdmin('POST', `${users}/nobody/password-link`)).status).to.equal(404)
  })

  it('that do not exist are a 404', async () => {
    expect((await asAdmin('PATCH', `${users}/nobody`, { disabled: true })).json().type).to.equal('not-found')
    expect((await asAdmin('DELETE', `${users}/nobody/sessions`)).json().type).to.equal('not-found')
  })

  it('are not changed by nothing, or in fields that are not for changing', async () => {
    for (const json of [
      {},
      { email: 'x@example.com' },
      { version: 9 },
      { disabled: 'yes' },
      { roles: null },
    ]) {
      expect((await asAdmin('PATCH', `${users}/${admin.id}`, json)).status).to.equal(422)
    }
  })

  describe('always include an administrator', () => {
    for (const change of [{ roles: ['user'] }, { disabled: true }]) {
      it(`so the last one cannot be given ${JSON.stringify(change)}`, async () => {
        const gone = await app.register('gone@example.com', ['admin'])
        await asAdmin('PATCH', `${users}/${gone.id}`, { disabled: true })
        const answer = await asAdmin('PATCH', `${users}/${admin.id}`, change)
        expect(answer.json()).to.include({ status: 409, type: 'last-administrator' })
        expect((await asAdmin('GET', users)).status, 'still an administrator').to.equal(200)
        expect(await app.accounts.findById(admin.id)).to.deep.include({
          disabled: false,
          roles: ['user', 'admin'],
        })
      })
    }

    it('and what else was asked for with such a change is not done either', async () => {
      const change = { roles: ['user'], name: 'Somebody else', tier: 'gold' }
      expect((await asAdmin('PATCH', `${users}/${admin.id}`, change)).status).to.equal(409)
      const { name, tier } = admin
      expect(await app.accounts.findById(admin.id)).to.deep.include({ name, tier, roles: ['user', 'admin'] })
    })

    it('even when two demote each other at the same moment', async () => {
      const second = await app.register('second@example.com', ['admin'])
      const bearer = await app.signIn('second@example.com')
      const demote = { roles: ['user'] }
      await Promise.all([
        asAdmin('PATCH', `${users}/${second.id}`, demote),
        app.request('PATCH', `${users}/${admin.id}`, { bearer, json: demote }),
      ])
      const left = (await app.accounts.list({ limit: 10 })).filter(({ roles }) => roles.includes('admin'))
      expect(left).not.to.have.length(0)
    })
  })
})
