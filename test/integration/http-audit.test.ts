import { expect } from 'chai'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { eventually } from '../support/eventually.ts'
import { password, startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('GET /api/v1/admin/audit', () => {
  let redis: TestRedis
  let app: HttpApp
  let databaseFault: Error | null = null
  let root: { id: string; token: string }
  let ada: { id: string; token: string }

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({
      redisUrl: redis.url,
      interposeAccounts: (accounts) => ({
        ...accounts,
        audit: {
          ...accounts.audit,
          list: (page) => (databaseFault ? Promise.reject(databaseFault) : accounts.audit.list(page)),
        },
      }),
    })
    root = await person('root@example.com', 'admin')
    ada = await person('ada@example.com', 'user')
  })
  after(async () => {
    await app.stop()
    await redis.stop()
  })

  async function person(email: string, role: 'admin' | 'user') {
    const { id } = await app.register(email, [role])
    return { id, token: await app.signIn(email) }
  }

  async function trail(query = ''): Promise<Record<string, any>[]> {
    const answer = await app.request('GET', `/api/v1/admin/audit?${query}`, { bearer: root.token })
    expect(answer.status, answer.text).to.equal(200)
    return answer.json().entries
  }

  /** The newest entry of this action, as soon as it is there. */
  function newest(action: string, check: (entry: Record<string, any>) => void): Promise<void> {
    return eventually(async () => {
      const [entry] = await trail(`action=${action}`)
      expect(entry, action).to.be.an('object')
      check(entry!)
    })
  }

  it('tells who signed in, with which session, from where, by which request', async () => {
    const answer = await app.request('POST', '/api/v1/auth/login', {
      json: { email: 'ada@example.com', password, transport: 'token' },
      headers: { 'X-Request-Id': 'request-of-ada' },
    })
    const session = answer.json().session.id
    await newest('login', (entry) => {
      expect(entry).to.deep.include({
        actor: ada.id,
        subject: ada.id,
        session,
        ip: '127.0.0.1',
        requestId: 'request-of-ada',
        details: { transport: 'token' },
      })
      expect(Date.parse(entry['at'])).to.be.closeTo(Date.now(), 60_000)
    })
  })

  it('tells of failed sign-ins, and says of nobody that they did it', async () => {
    const json = { email: 'ada@example.com', password: 'a guess at her password' }
    await app.request('POST', '/api/v1/auth/login', { json })
    await newest('login-failed', (entry) =>
      expect(entry).to.deep.include({ actor: null, subject: ada.id, details: { reason: 'wrong password' } }),
    )
    expect(JSON.stringify(await trail())).not.to.include(json.password)
  })

  it('tells whose session a logout ended', async () => {
    const token = await app.signIn('ada@example.com')
    const me = await app.request('GET', '/api/v1/auth/me', { bearer: token })
    await app.request('POST', '/api/v1/auth/logout', { bearer: token })
    await newest('logout', (entry) =>
      expect(entry).to.deep.include({ actor: ada.id, session: me.json().session.id }),
    )
  })

  it('tells which administrator changed an account, ended sessions and changed settings', async () => {
    const path = `/api/v1/admin/users/${ada.id}`
    await app.request('PATCH', path, { bearer: root.token, json: { roles: ['user', 'viewer'] } })
    await newest('account-changed', (entry) => {
      expect(entry).to.deep.include({ actor: root.id, subject: ada.id })
      expect(entry['details']).to.deep.equal({ roles: ['user', 'viewer'], disabled: false })
    })
    await app.request('DELETE', `${path}/sessions`, { bearer: root.token })
    await newest('account-sessions-ended', (entry) =>
      expect(entry).to.deep.include({ actor: root.id, subject: ada.id }),
    )
    await app.request('PATCH', '/api/v1/admin/settings', { bearer: root.token, json: { logLevel: 'debug' } })
    await newest('settings-changed', (entry) =>
      expect(entry).to.deep.include({ actor: root.id, details: { changed: ['logLevel'] } }),
    )
  })

  it('is read page by page, and by user', async () => {
    for (let count = 0; count < 5; count++) await app.signIn('ada@example.com')
    await eventually(async () =>
      expect(await trail(`user=${ada.id}&action=login`)).to.have.length.at.least(6),
    )
    const all = await trail(`user=${ada.id}`)
    expect(all.every(({ actor, subject }) => [actor, subject].includes(ada.id))).to.equal(true)

    const pages: unknown[] = []
    let next = ''
    do {
      const query = `user=${ada.id}&limit=4${next && `&after=${next}`}`
      const answer = await app.request('GET', `/api/v1/admin/audit?${query}`, { bearer: root.token })
      pages.push(...answer.json().entries)
      next = answer.json().next ?? ''
    } while (next)
    expect(pages).to.deep.equal(all)
  })

  it('is for administrators only', async () => {
    const token = await app.signIn('ada@example.com')
    expect((await app.request('GET', '/api/v1/admin/audit', { bearer: token })).status).to.equal(403)
    expect((await app.request('GET', '/api/v1/admin/audit')).status).to.equal(401)
  })

  for (const query of ['limit=0', 'limit=1e3', 'after=%00', 'user=a%20b', 'actor=x']) {
    it(`names what is wrong with ?${query}`, async () => {
      const answer = await app.request('GET', `/api/v1/admin/audit?${query}`, { bearer: root.token })
      expect(answer.status).to.equal(422)
      expect(answer.json().errors[0].field).to.equal(query.split('=')[0])
    })
  }

  it('answers 503 while the database is away', async () => {
    databaseFault = new Unavailable('database')
    const answer = await app.request('GET', '/api/v1/admin/audit', { bearer: root.token })
    databaseFault = null
    expect(answer.status).to.equal(503)
    expect(answer.headers).to.have.property('retry-after')
  })
})
