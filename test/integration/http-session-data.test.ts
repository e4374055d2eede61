import { expect } from 'chai'
import { startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import type { SessionService } from '../../shared/sessions/create-sessions.ts'

describe("The session's own data over HTTP", () => {
  let redis: TestRedis
  let app: HttpApp
  let token: string
  /** What happens between the handler's changes and their being saved. */
  let beforeSave: (sessions: SessionService) => Promise<unknown> = async () => {}

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({
      redisUrl: redis.url,
      interpose: (sessions) => ({
        ...sessions,
        async saveData(...args) {
          await beforeSave(sessions)
          return sessions.saveData(...args)
        },
      }),
    })
    await app.register('alice@example.com')
  })
  beforeEach(async () => {
    beforeSave = async () => {}
    token = await app.signIn('alice@example.com')
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })

  const read = (options: object = { cookie: token }) => app.request('GET', '/api/v1/session', options)
  const change = (json: unknown, options: object = { cookie: token }) =>
    app.request('PATCH', '/api/v1/session', { json, ...options })

  it('is empty at first, is merged field by field, and null removes a field', async () => {
    expect((await read()).json()).to.deep.equal({ data: {} })
    const data = { theme: 'dark', cart: [{ id: 1, note: null }], 'a.b-c_d': 0, '9': '' }
    expect((await change(data)).json()).to.deep.equal({ data })
    expect((await change({ theme: 'light', cart: null })).json().data).to.deep.equal({
      theme: 'light',
      'a.b-c_d': 0,
      '9': '',
    })
    expect((await change({ theme: null, 'a.b-c_d': null, '9': null })).json()).to.deep.equal({ data: {} })
    expect((await read()).json()).to.deep.equal({ data: {} })
  })

  it('keeps all of three concurrent writes to different fields', async () => {
    let waiting = 0
    let release = () => {}
    const allHere = new Promise<void>((resolve) => (release = resolve))
    beforeSave = async () => {
      if (++waiting === 3) release()
      await allHere
    }
    const answers = await Promise.all([change({ a: 1 }), change({ b: 2 }), change({ c: 3 })])
    for (const { status } of answers) expect(status).to.equal(200)
    expect((await read()).json()).to.deep.equal({ data: { a: 1, b: 2, c: 3 } })
  })

  it('is not brought back by a write that finishes after a logout', async () => {
    beforeSave = (sessions) => sessions.revoke(token)
    const answer = await change({ theme: 'dark' })
    expect(answer.json()).to.include({ status: 401, type: 'session-gone' })
    expect(answer.headers).not.to.have.property('set-cookie')
    expect((await app.request('GET', '/api/v1/auth/me', { bearer: token })).status).to.equal(401)
    expect(
      (await app.request('GET', '/api/v1/auth/sessions', { bearer: await app.signIn('alice@example.com') }))
        .status,
    ).to.equal(200)
  })

  it('never sets a cookie', async () => {
    for (const answer of [
      await read(),
      await change({ a: 1 }),
      await change({ a: null }),
      await change({}),
    ]) {
      expect(answer.status).to.equal(200)
      expect(answer.headers).not.to.have.property('set-cookie')
    }
  })

  it('is nobody’s without a session', async () => {
    for (const options of [{}, { cookie: 'x' }, { cookie: 'x'.repeat(43) }]) {
      expect((await read(options)).json()).to.include({ status: 401, type: 'unauthenticated' })
      expect((await change({ a: 1 }, options)).json()).to.include({ status: 401, type: 'unauthenticated' })
    }
  })

  it('is not changed from another site', async () => {
    const answer = await change(
      { a: 1 },
      { headers: { Cookie: `sid=${token}`, 'Sec-Fetch-Site': 'same-site' } },
    )
    expect(answer.json()).to.include({ status: 403, type: 'csrf' })
    expect((await read()).json()).to.deep.equal({ data: {} })
  })

  // Names that koa-session, or any object, has a meaning for: the field would be lost or break the object.
  const reserved =
    'isNew length populated maxAge externalKey save regenerate commit manuallyCommit toJSON ' +
    '_expire _maxAge _session _requireSave _x constructor hasOwnProperty toString'
  for (const name of [...reserved.split(' '), '', 'a b', 'a/b', 'ä', 'x'.repeat(65)]) {
    it(`refuses a field named ${JSON.stringify(name.slice(0, 20))}`, async () => {
      const answer = await change({ good: 1, [name]: 'x' })
      expect(answer.json()).to.include({ status: 422, type: 'invalid-fields' })
      expect((await read()).json()).to.deep.equal({ data: {} })
    })
  }

  it('refuses __proto__, at the top and below', async () => {
    for (const body of ['{"__proto__":{"x":1}}', '{"a":{"__proto__":{"x":1}}}']) {
      const answer = await app.request('PATCH', '/api/v1/session', {
        bearer: token,
        body,
        headers: { 'Content-Type': 'application/json' },
      })
      expect(answer.json()).to.include({ status: 400, type: 'malformed-body' })
      expect(answer.json().detail).to.include('__proto__')
    }
  })

  it('takes 64 fields and no more', async () => {
    const fields = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, n]))
    expect((await change(fields(64))).status).to.equal(200)
    expect((await change({ more: 1 })).json()).to.include({ status: 422, type: 'invalid-fields' })
    expect((await change({ f0: null, more: 1 })).status).to.equal(200)
  })

  it('takes 32 KiB and no more, and loses nothing when it refuses', async () => {
    expect((await change({ big: 'x'.repeat(30_000) })).status).to.equal(200)
    const answer = await change({ bigger: 'x'.repeat(5_000) })
    expect(answer.json()).to.include({ status: 413, type: 'session-data-too-large' })
    expect(Object.keys((await read()).json().data)).to.deep.equal(['big'])
  })
})
