import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { env, execPath } from 'node:process'
import { expect } from 'chai'

const directory = join(import.meta.dirname, '..')

/** Starts a program; gives the address that it prints. */
async function start(file, more) {
  const child = spawn(execPath, [join(directory, file)], {
    env: { ...env, ...more },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8')
  while (!/http:\/\/\S+/.test(text)) {
    const [chunk] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => [null])])
    if (chunk === null) throw new Error(`${file} ended before it listened`)
    text += chunk
  }
  return { child, url: /http:\/\/\S+/.exec(text)[0] }
}

async function stop(started) {
  if (!started || started.child.exitCode !== null) return
  started.child.kill('SIGTERM')
  await once(started.child, 'exit')
}

describe('sessions of an identity service, on two workers', function () {
  this.timeout(60_000)
  let identity
  let server

  before(async () => {
    identity = await start('identity-service.js', { PORT: '0' })
    server = await start('server.js', { PORT: '0', IDENTITY_URL: identity.url })
  })
  after(async () => {
    await stop(server)
    await stop(identity)
  })

  const send = (path, { headers = {}, ...options } = {}) =>
    fetch(`${server.url}${path}`, { ...options, headers: { connection: 'close', ...headers } })

  async function signIn(email = 'ann@example.com', password = 'nine green umbrellas') {
    const body = JSON.stringify({ email, password })
    const answer = await send('/api/v1/auth/login', { method: 'POST', body })
    const cookie = answer.headers.get('set-cookie')?.split(';')[0]
    return { answer, cookie, token: cookie?.slice('sid='.length) }
  }

  /** The answers of both workers, whichever is met first. */
  async function onEveryWorker(headers) {
    const statuses = new Map()
    for (let attempt = 0; attempt < 40 && statuses.size < 2; attempt++) {
      const answer = await send('/api/v1/auth/me', { headers })
      await answer.text()
      statuses.set(answer.headers.get('x-worker'), answer.status)
    }
    expect(statuses.size, 'both workers have answered').to.equal(2)
    return [...statuses.values()]
  }
  const logOut = (headers) => send('/logout', { method: 'POST', headers })
  const own = { 'sec-fetch-site': 'same-origin' }

  it('both workers know who signed in on one, by the cookie and by the token', async () => {
    const { answer, cookie, token } = await signIn()
    expect(answer.status).to.equal(200)
    expect(answer.headers.get('set-cookie')).to.match(/HttpOnly; SameSite=Lax/)
    expect(await onEveryWorker({ cookie })).to.deep.equal([200, 200])
    const me = await send('/api/v1/auth/me', { headers: { authorization: `Bearer ${token}` } })
    expect((await me.json()).user).to.deep.equal({ id: 'u1', name: 'Ann', email: 'ann@example.com' })
  })

  it('a wrong password, no session and a token of nobody are 401', async () => {
    expect((await signIn('ann@example.com', 'wrong')).answer.status).to.equal(401)
    expect(await onEveryWorker({})).to.deep.equal([401, 401])
    expect(await onEveryWorker({ cookie: 'sid=nobody-has-this-token' })).to.deep.equal([401, 401])
  })

  it('a logout is refused by both workers, and known to the service; again it is 204 as well', async () => {
    const { cookie, token } = await signIn()
    expect(await onEveryWorker({ cookie })).to.deep.equal([200, 200])
    const out = await logOut({ cookie, ...own })
    expect([out.status, out.headers.get('set-cookie')]).to.deep.equal([
      204,
      'sid=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax',
    ])
    expect(await onEveryWorker({ cookie })).to.deep.equal([401, 401])
    const known = await fetch(`${identity.url}/whoami`, { headers: { authorization: `Bearer ${token}` } })
    expect(known.status).to.equal(401)
    expect((await logOut({ cookie, ...own })).status).to.equal(204)
  })

  it('a logout that another site makes a browser send is 403', async () => {
    const { cookie } = await signIn()
    for (const headers of [{}, { 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }]) {
      expect((await logOut({ cookie, ...headers })).status).to.equal(403)
    }
    expect(await onEveryWorker({ cookie })).to.deep.equal([200, 200])
  })

  it('while the service is away what is known is served, the rest is 503, and so is a logout', async () => {
    const { cookie } = await signIn('bob@example.com', 'seven blue lanterns')
    expect(await onEveryWorker({ cookie })).to.deep.equal([200, 200])
    const { port } = new URL(identity.url)
    await stop(identity)
    expect(await onEveryWorker({ cookie })).to.deep.equal([200, 200])
    const unknown = await send('/api/v1/auth/me', { headers: { cookie: 'sid=another-token-of-nobody' } })
    expect([unknown.status, unknown.headers.get('retry-after')]).to.deep.equal([503, '1'])
    const out = await logOut({ cookie, ...own })
    expect([out.status, (await out.json()).type, out.headers.get('set-cookie')]).to.deep.equal([
      503,
      'revocation-unconfirmed',
      null,
    ])
    expect((await signIn()).answer.status).to.equal(503)
    identity = await start('identity-service.js', { PORT: port })
    expect((await logOut({ cookie, ...own })).status).to.equal(204)
    expect(await onEveryWorker({ cookie })).to.deep.equal([401, 401])
  })
})
