import { expect } from 'chai'
import type { SessionService } from '../../shared/sessions/create-sessions.ts'
import { cookieSetBy, password, startHttpApp, type Answer, type HttpApp } from '../support/http-app.ts'
import { eventually } from '../support/eventually.ts'
import { openEventStream } from '../support/event-stream.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const safari =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'

describe('The page of one’s own account', () => {
  let redis: TestRedis
  let app: HttpApp
  let unconfirmed = false

  before(async () => {
    redis = await startRedis()
    const interpose = (sessions: SessionService): SessionService => {
      const answer = async <T>(ended: () => Promise<T>) => {
        if (!unconfirmed) return ended()
        return { outcome: 'unconfirmed', cause: new Error('a worker is silent') } as never
      }
      return {
        ...sessions,
        revokeById: (user, id) => answer(() => sessions.revokeById(user, id)),
        revokeUser: (user, more) => answer(() => sessions.revokeUser(user, more)),
      }
    }
    const env = { LIMIT_LOGIN_ACCOUNT: 'off', LIMIT_LOGIN_IP: 'off', MAX_SESSIONS_PER_USER: '500' }
    app = await startHttpApp({ redisUrl: redis.url, env, interpose })
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })
  afterEach(() => {
    unconfirmed = false
  })

  let users = 0
  async function newUser() {
    const email = `user-${++users}@example.com`
    await app.register(email)
    const signIn = async (userAgent = firefox, more = {}) => {
      const answer = await app.request('POST', '/api/v1/auth/login', {
        json: { email, password, transport: 'token', ...more },
        headers: { 'User-Agent': userAgent },
      })
      return answer.json().token as string
    }
    return { email, signIn }
  }

  const look = (cookie: string, more: Record<string, string> = {}, path = '/account') =>
    app.request('GET', path, { headers: { Cookie: `sid=${cookie}`, ...more } })
  const send = (path: string, cookie: string, fields: Record<string, string> = {}) =>
    app.request('POST', path, {
      body: new URLSearchParams(fields).toString(),
      headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        'Sec-Fetch-Site': 'same-origin',
        Cookie: `sid=${cookie}`,
      },
    })
  /** The page that a form leads to, as the browser that sent it sees it. */
  async function follow(answer: Answer, cookie: string, from = '/account/devices/end') {
    expect(answer.status, answer.text).to.equal(303)
    const notice = answer.headers['set-cookie']?.find((line) => line.startsWith('notice='))?.split(';')[0]
    const path = new URL(answer.headers.location!, `${app.url}${from}`)
    return look(
      cookieSetBy(answer) ?? cookie,
      notice ? { Cookie: `sid=${cookieSetBy(answer) ?? cookie}; ${notice}` } : {},
      path.pathname + path.search,
    )
  }
  const isSignedIn = async (cookie: string) =>
    (await app.request('GET', '/api/v1/auth/me', { cookie })).status
  const idOf = async (cookie: string) => {
    return (await app.request('GET', '/api/v1/auth/me', { cookie })).json().session.id as string
  }

  it('shows the devices in words, this one first, and keeps no copy anywhere', async () => {
    const { signIn } = await newUser()
    const other = await signIn(safari)
    await signIn('curl/8.5.0')
    await signIn('')
    const mine = await signIn()
    const { text, headers } = await look(mine)
    for (const device of ['Firefox on Linux', 'Safari on iOS', 'curl', 'Unknown device', '127.0.0.1']) {
      expect(text).to.include(device)
    }
    expect(text.indexOf('this device')).to.be.above(text.indexOf('Firefox on Linux'))
    expect(text.indexOf(await idOf(mine))).to.be.below(text.indexOf(await idOf(other)))
    expect(headers['cache-control']).to.equal('no-store')
    expect((await look(mine, { 'Accept-Language': 'de' })).text).to.include('Firefox unter Linux')
  })

  it('signs out one device, and says which workers confirmed it', async () => {
    const { signIn } = await newUser()
    const [mine, other] = [await signIn(), await signIn(safari)]
    const id = await idOf(other)
    const page = await follow(await send('/account/devices/end', mine, { id }), mine)
    expect(page.text).to.match(
      /<p role="status">Safari on iOS is signed out\. The worker confirmed in \d+ ms\.<\/p>/,
    )
    expect(page.text).not.to.include(id)
    expect(await isSignedIn(other)).to.equal(401)
    expect(await isSignedIn(mine)).to.equal(200)
    const again = await follow(await send('/account/devices/end', mine, { id }), mine)
    expect(again.text).to.include('had been signed out before')
  })

  it('ends nobody else’s session', async () => {
    const [mine, theirs] = [await (await newUser()).signIn(), await (await newUser()).signIn()]
    await send('/account/devices/end', mine, { id: await idOf(theirs) })
    expect(await isSignedIn(theirs)).to.equal(200)
  })

  it('signs out this device, and the page to sign in says so', async () => {
    const { signIn } = await newUser()
    const mine = await signIn()
    const answer = await send('/account/devices/end', mine, { id: await idOf(mine) })
    expect(cookieSetBy(answer)).to.equal('')
    expect(answer.headers['clear-site-data']).to.include('cookies')
    const page = await follow(answer, mine)
    expect(page.text).to.match(/You have signed out\. The worker confirmed in \d+ ms\./)
    const twice = await send('/account/devices/end-all', mine)
    expect(twice.headers.location).to.include('out=expired')
  })

  it('signs out everywhere else, and everywhere', async () => {
    const { signIn } = await newUser()
    const [mine, one, two] = [await signIn(), await signIn(), await signIn()]
    const others = await follow(await send('/account/devices/end-others', mine), mine)
    expect(others.text).to.include('2 other devices are signed out. The worker confirmed')
    expect([await isSignedIn(mine), await isSignedIn(one), await isSignedIn(two)]).to.deep.equal([
      200, 401, 401,
    ])
    const nobody = await follow(await send('/account/devices/end-others', mine), mine)
    expect(nobody.text).to.include('No other device was signed in.')
    const all = await follow(await send('/account/devices/end-all', mine), mine)
    expect(all.text).to.include('You are signed out everywhere. The worker confirmed')
    expect(await isSignedIn(mine)).to.equal(401)
  })

  for (const path of ['/account/devices/end', '/account/devices/end-others', '/account/devices/end-all']) {
    it(`says of ${path} that it is not confirmed, signs nobody out of this browser, and may be repeated`, async () => {
      const { signIn } = await newUser()
      const [mine, other] = [await signIn(), await signIn()]
      const id = await idOf(other)
      const fields: Record<string, string> = path.endsWith('end') ? { id } : {}
      unconfirmed = true
      const page = await follow(await send(path, mine, fields), mine)
      expect(page.text).to.include(
        '<p role="alert">Not confirmed yet: not every worker has answered. Try again.',
      )
      unconfirmed = false
      expect((await follow(await send(path, mine, fields), mine)).text).to.include('confirmed in')
      expect(await isSignedIn(other)).to.equal(401)
    })
  }

  it('takes a name for this device, with whatever is in it, and shows it as text', async () => {
    const { signIn } = await newUser()
    const mine = await signIn()
    for (const label of ['<img src=x onerror=alert(1)>', 'مكتب', 'x'.repeat(100)]) {
      const page = await follow(await send('/account/devices/label', mine, { label }), mine)
      expect(page.text).to.include('The name of this device is saved.').and.not.include('<img src=x')
      expect(page.text).to.include(label.startsWith('<') ? '&lt;img src=x onerror=alert(1)&gt;' : label)
    }
    const long = await follow(await send('/account/devices/label', mine, { label: 'x'.repeat(1_000) }), mine)
    expect(long.text).to.include('role="alert"')
    await send('/account/devices/label', mine, { label: ' ' })
    expect((await look(mine)).text).not.to.include('xxx')
  })

  it('changes the name, everywhere at once', async () => {
    const { signIn } = await newUser()
    const [mine, other] = [await signIn(), await signIn()]
    const page = await follow(
      await send('/account/profile', mine, { name: 'Grace <Hopper>' }),
      mine,
      '/account/profile',
    )
    expect(page.text).to.include('Your profile is saved.').and.include('Grace &lt;Hopper&gt;')
    expect((await app.request('GET', '/api/v1/auth/me', { cookie: other })).json().user.name).to.equal(
      'Grace <Hopper>',
    )
    const wrong = await follow(
      await send('/account/profile', mine, { name: 'x'.repeat(1_000) }),
      mine,
      '/account/profile',
    )
    expect(wrong.text).to.include('role="alert"').and.include('Grace &lt;Hopper&gt;')
  })

  it('changes the password, and signs the other devices out', async () => {
    const { signIn } = await newUser()
    const [mine, other] = [await signIn(), await signIn()]
    const change = (currentPassword: string, newPassword: string, cookie = mine) =>
      send('/account/password', cookie, { currentPassword, newPassword })
    const wrong = await follow(await change('not this one', 'five wooden spoons'), mine, '/account/profile')
    expect(wrong.text).to.include('That is not your current password.')
    const short = await follow(await change(password, 'short'), mine, '/account/profile')
    expect(short.text).to.include('The new password must be at least 8 characters long.')
    expect(await isSignedIn(other)).to.equal(200)

    const answer = await change(password, 'five wooden spoons')
    const fresh = cookieSetBy(answer)!
    const page = await follow(answer, mine, '/account/password')
    expect(page.text).to.include('Your password is changed, and your other devices are signed out.')
    expect([await isSignedIn(fresh), await isSignedIn(mine), await isSignedIn(other)]).to.deep.equal([
      200, 401, 401,
    ])
    const twice = await change(password, 'five wooden spoons')
    expect(twice.headers.location).to.include('out=expired')
  })

  it('shows hundreds of devices page by page, each once', async () => {
    const { signIn } = await newUser()
    const tokens: string[] = []
    for (let index = 0; index < 120; index++) tokens.push(await signIn())
    const mine = tokens[60]!
    const ids = new Set<string>()
    let path: string | undefined = '/account'
    let pages = 0
    while (path !== undefined) {
      const { text } = await look(mine, {}, path)
      for (const [, id] of text.matchAll(/data-id="([^"]+)"/g)) {
        expect(ids.has(id!), 'a device that was on a page before').to.equal(false)
        ids.add(id!)
      }
      path = /href="\.(\/account\?after=\d+)" rel="next"/.exec(text)?.[1]
      pages++
    }
    expect(ids.size).to.equal(120)
    expect(pages).to.equal(3)
    expect((await look(mine, {}, '/account?after=1000')).status).to.equal(200)
    expect((await look(mine, {}, '/account?after=-1')).status).to.equal(422)
  })

  it('leads strangers to sign in and back', async () => {
    const answer = await app.request('GET', '/account')
    expect(answer.status).to.equal(303)
    expect(answer.headers.location).to.equal('./sign-in?next=%2Faccount')
  })

  it('notes in the audit trail what was done', async () => {
    const { signIn } = await newUser()
    const [mine, other] = [await signIn(), await signIn()]
    await send('/account/devices/end', mine, { id: await idOf(other) })
    await send('/account/profile', mine, { name: 'Someone' })
    await send('/account/devices/end-all', mine)
    await eventually(async () => {
      const actions = (await app.accounts.audit.list({ limit: 5 })).map(({ action }) => action)
      expect(actions).to.include.members(['session-ended', 'profile-changed', 'logout-all'])
    })
  })

  it('tells a page that is open when a device signs in, and when it is signed out itself', async () => {
    const { signIn } = await newUser()
    const mine = await signIn()
    const stream = await openEventStream(`${app.url}/account/devices/live`, { Cookie: `sid=${mine}` })
    const told = (name: string) => stream.events().filter(({ event }) => event === name).length
    try {
      await eventually(() => expect(told('devices')).to.equal(1))
      const other = await signIn(safari)
      await eventually(() => expect(told('devices')).to.equal(2))
      await send('/account/devices/end', mine, { id: await idOf(other) })
      await eventually(() => expect(told('devices')).to.equal(3))
      await send('/account/devices/end-all', await signIn())
      await eventually(() => expect(told('session-ended')).to.equal(1))
    } finally {
      stream.close()
    }
  })
})
