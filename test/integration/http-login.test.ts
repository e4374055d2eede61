import { expect } from 'chai'
import { cookieSetBy, password, startHttpApp, type Answer, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('Signing in over HTTP', () => {
  let redis: TestRedis
  let app: HttpApp

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({ redisUrl: redis.url })
    await app.register('alice@example.com')
    const disabled = await app.register('disabled@example.com')
    await app.accounts.update(disabled.id, { disabled: true })
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })

  function login(body: object, options = {}): Promise<Answer> {
    return app.request('POST', '/api/v1/auth/login', { json: body, ...options })
  }
  const alice = { email: 'alice@example.com', password }

  it('answers the user and the session, and sets a cookie that scripts cannot read', async () => {
    const answer = await login({ ...alice, label: 'work laptop' }, { headers: { 'User-Agent': 'Test/1' } })
    expect(answer.status).to.equal(200)
    const { user, session, token } = answer.json()
    expect(user).to.include({ email: 'alice@example.com', name: 'alice', tier: 'free', emailVerified: false })
    expect(user.roles).to.deep.equal(['user'])
    expect(session).to.include({ label: 'work laptop', userAgent: 'Test/1', ip: '127.0.0.1', current: true })
    expect(Date.parse(session.expiresAt) - Date.parse(session.createdAt)).to.equal(24 * 3_600_000)
    expect(token).to.equal(undefined)
    expect(answer.headers['set-cookie']).to.have.length(1)
    expect(answer.headers['set-cookie']?.[0]).to.match(/^sid=[\w-]{51}; Path=\/; HttpOnly; SameSite=Lax$/)
    expect(answer.text).not.to.include(cookieSetBy(answer))
  })

  it('keeps the cookie beyond the browser session only when asked to', async () => {
    const answer = await login({ ...alice, remember: true })
    expect(answer.headers['set-cookie']?.[0]).to.match(/; Max-Age=2592000;/)
    expect(answer.json().session.remember).to.equal(true)
  })

  it('gives the token in the body and no cookie with transport token', async () => {
    const answer = await login({ ...alice, transport: 'token' })
    expect(answer.headers['set-cookie']).to.equal(undefined)
    const { token } = answer.json()
    expect((await app.request('GET', '/api/v1/auth/me', { bearer: token })).status).to.equal(200)
  })

  it('is the same for the address in other letters', async () => {
    expect((await login({ email: '  ALICE@Example.COM ', password })).status).to.equal(200)
  })

  it('tells a stranger nothing about which accounts exist', async () => {
    const answers: Answer[] = []
    for (const body of [
      { email: 'alice@example.com', password: 'not the password' },
      { email: 'nobody@example.com', password },
      { email: 'disabled@example.com', password },
      { email: 'disabled@example.com', password: 'not the password' },
    ]) {
      const comparedBefore = app.comparisons()
      answers.push(await login(body))
      expect(app.comparisons() - comparedBefore, 'one comparison of passwords, whatever the case').to.equal(1)
    }
    const shapes = answers.map(({ status, headers, json }) => {
      const { requestId: _own, ...body } = json()
      return { status, body, headers: Object.keys(headers).sort() }
    })
    for (const shape of shapes) expect(shape).to.deep.equal(shapes[0])
    expect(shapes[0]).to.nested.include({ status: 401, 'body.type': 'invalid-credentials' })
  })

  it('ends the session that the request carried, so that none can be fixed beforehand', async () => {
    const first = cookieSetBy(await login(alice)) as string
    const second = cookieSetBy(await login(alice, { cookie: first })) as string
    expect(second).not.to.equal(first)
    expect((await app.request('GET', '/api/v1/auth/me', { cookie: first })).status).to.equal(401)
    expect((await app.request('GET', '/api/v1/auth/me', { cookie: second })).status).to.equal(200)
  })

  it('never adopts an id that the client brought', async () => {
    const planted = 'p'.repeat(43)
    const answer = await login(alice, { cookie: planted })
    expect(cookieSetBy(answer)).not.to.equal(planted)
    expect((await app.request('GET', '/api/v1/auth/me', { cookie: planted })).status).to.equal(401)
  })

  it('leaves the session that the request carried alone when the password is wrong', async () => {
    const token = cookieSetBy(await login(alice)) as string
    expect((await login({ ...alice, password: 'wrong' }, { cookie: token })).status).to.equal(401)
    expect((await app.request('GET', '/api/v1/auth/me', { cookie: token })).status).to.equal(200)
  })

  it('is refused from another site when the request carries a session cookie', async () => {
    const token = cookieSetBy(await login(alice)) as string
    const answer = await login(alice, { cookie: token, headers: { 'Sec-Fetch-Site': 'cross-site' } })
    expect(answer.json()).to.include({ status: 403, type: 'csrf' })
  })

  it('uses the __Host- cookie over TLS, as a trusted proxy tells', async () => {
    const behindProxy = await startHttpApp({ redisUrl: redis.url, env: { TRUST_PROXY: '1' } })
    try {
      await behindProxy.register('bob@example.com')
      const headers = {
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-For': '198.51.100.4',
        'X-Forwarded-Host': 'x.test',
      }
      const json = { email: 'bob@example.com', password }
      const answer = await behindProxy.request('POST', '/api/v1/auth/login', { json, headers })
      expect(answer.headers['set-cookie']?.[0]).to.match(/^__Host-sid=[\w-]{51}; Path=\/; .*; Secure$/)
      expect(answer.headers['strict-transport-security']).to.match(/max-age=/)
      expect(answer.json().session.ip).to.equal('198.51.100.4')
      const token = cookieSetBy(answer) as string
      const me = (cookie: string) =>
        behindProxy.request('GET', '/api/v1/auth/me', { headers: { ...headers, Cookie: cookie } })
      expect((await me(`__Host-sid=${token}`)).status).to.equal(200)
      expect((await me(`sid=${token}`)).status, 'a cookie that plain HTTP could have planted').to.equal(401)
    } finally {
      await behindProxy.stop()
    }
  })

  it('does not believe forwarded headers when no proxy is trusted', async () => {
    const headers = {
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-For': '198.51.100.4',
      'X-Forwarded-Host': 'evil.test',
    }
    const answer = await login(alice, { headers })
    expect(answer.headers['set-cookie']?.[0]).to.match(/^sid=/)
    expect(answer.headers['strict-transport-security']).to.equal(undefined)
    expect(answer.json().session.ip).to.equal('127.0.0.1')
  })

  it('looks again when all sessions were ended meanwhile, and creates none with a password that was replaced', async () => {
    let attempts = 0
    const racing = await startHttpApp({
      redisUrl: redis.url,
      interpose: (sessions) => ({
        ...sessions,
        async create(ticket, login) {
          if (attempts++ === 0) {
            await racing.accounts.setPassword(ticket.userId, 'hash of another password')
            await sessions.revokeUser(ticket.userId)
          }
          return sessions.create(ticket, login)
        },
      }),
    })
    try {
      await racing.register('carol@example.com')
      const json = { email: 'carol@example.com', password }
      const answer = await racing.request('POST', '/api/v1/auth/login', { json })
      expect(answer.json()).to.include({ status: 401, type: 'invalid-credentials' })
      expect(attempts).to.equal(1)
    } finally {
      await racing.stop()
    }
  })

  it('succeeds when all sessions were ended meanwhile and the password is still right', async () => {
    let attempts = 0
    const racing = await startHttpApp({
      redisUrl: redis.url,
      interpose: (sessions) => ({
        ...sessions,
        async create(ticket, login) {
          if (attempts++ === 0) await sessions.revokeUser(ticket.userId)
          return sessions.create(ticket, login)
        },
      }),
    })
    try {
      await racing.register('carol@example.com')
      await racing.signIn('carol@example.com')
      expect(attempts).to.equal(2)
    } finally {
      await racing.stop()
    }
  })

  it('ends the other sessions of the user when so configured', async () => {
    const strict = await startHttpApp({ redisUrl: redis.url, env: { LOGIN_REVOKES: 'others' } })
    try {
      await strict.register('dave@example.com')
      const first = await strict.signIn('dave@example.com')
      const second = await strict.signIn('dave@example.com')
      expect((await strict.request('GET', '/api/v1/auth/me', { bearer: first })).status).to.equal(401)
      expect((await strict.request('GET', '/api/v1/auth/me', { bearer: second })).status).to.equal(200)
    } finally {
      await strict.stop()
    }
  })

  const invalid: [what: string, body: object, field: string][] = [
    ['no e-mail', { password }, 'email'],
    ['no password', { email: 'alice@example.com' }, 'password'],
    ['an e-mail that is a number', { email: 7, password }, 'email'],
    ['an e-mail that is none', { email: 'alice', password }, 'email'],
    ['a NUL in the e-mail', { email: 'a\u0000@example.com', password }, 'email'],
    ['half a character in the e-mail', { email: 'a\ud800@example.com', password }, 'email'],
    ['an endless e-mail', { email: `${'a'.repeat(300)}@example.com`, password }, 'email'],
    ['an endless password', { ...alice, password: 'x'.repeat(2_000) }, 'password'],
    ['remember as text', { ...alice, remember: 'yes' }, 'remember'],
    ['a label with a line break', { ...alice, label: 'a\nb' }, 'label'],
    ['an unknown transport', { ...alice, transport: 'pigeon' }, 'transport'],
    ['a field that does not exist', { ...alice, roles: ['admin'] }, 'roles'],
    ['an object for a password', { ...alice, password: { $ne: '' } }, 'password'],
  ]
  for (const [what, body, field] of invalid) {
    it(`answers ${what} with a 422 that names ${field}`, async () => {
      const answer = await login(body)
      expect(answer.json()).to.include({ status: 422, type: 'invalid-fields' })
      expect(answer.json().errors.map((error: { field: string }) => error.field)).to.deep.equal([field])
      expect(answer.text).not.to.include(password)
    })
  }

  it('writes who signed in and who failed to, and no secret', async () => {
    const token = await app.signIn('alice@example.com')
    await login({ ...alice, password: 'a wrong secret' })
    const log = app.log()
    expect(log)
      .to.match(/"event":"login"/)
      .and.match(/"event":"login-failed"/)
    for (const secret of [password, 'a wrong secret', token]) expect(log).not.to.include(secret)
  })
})
