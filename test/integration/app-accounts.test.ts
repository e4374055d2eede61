import { expect } from 'chai'
import { defineApp, defineRoute, problem, z } from 'lockstep'
import { startTestApp, type TestApp } from 'lockstep/testing'
import { rejection } from '../support/rejection.ts'

const login = '/api/v1/auth/login'
const me = '/api/v1/auth/me'

/** What is there only where users are in our own accounts. */
const ofOurAccounts = [
  ['POST', '/api/v1/auth/password'],
  ['POST', '/api/v1/auth/password-reset/request'],
  ['GET', '/api/v1/admin/users'],
] as const

describe('An application that signs people in by itself (accounts: null)', () => {
  let running: TestApp
  const events: string[] = []
  let overtakes = 0

  before(async () => {
    running = await startTestApp(
      defineApp({
        name: 'badges',
        accounts: null,
        roles: ['visitor'],
        profile: z.strictObject({ floor: z.number() }),
        hooks: {
          signedIn: ({ userId }) => void events.push(`in ${userId}`),
          signedOut: ({ userId }) => void events.push(userId),
        },
        routes: [
          defineRoute({
            method: 'POST',
            path: '/badge',
            access: 'anyone',
            summary: 'Sign in with a badge',
            body: z.strictObject({ badge: z.string() }),
            replies: { 200: { description: 'Signed in', body: z.strictObject({ token: z.string() }) } },
            async handler(ctx, { body: { badge } }, { sessions }) {
              const verify = () =>
                badge === 'b-17' ? { id: badge, roles: ['visitor'], profile: { floor: 3 } } : null
              const signedIn = await sessions.signIn(ctx, badge, verify, { transport: 'token' })
              if (signedIn === null) throw problem('invalid-credentials', 'this badge opens nothing')
              ctx.body = { token: signedIn.token }
            },
          }),
          defineRoute({
            method: 'GET',
            path: '/callback/:badge',
            access: 'anyone',
            summary: 'Where a provider sends the browser',
            params: z.strictObject({ badge: z.string() }),
            replies: { 200: { description: 'Signed in', body: z.strictObject({ user: z.string() }) } },
            async handler(ctx, { params: { badge } }, { sessions }) {
              async function verify() {
                // Somebody ends all sessions of this user while the provider is asked.
                if (badge === 'overtaken' && overtakes-- > 0) await sessions.revokeUser(badge)
                if (badge === 'unknown') throw problem('forbidden', 'there is no such badge')
                if (badge === 'outage') throw new Error('the provider is away')
                return { id: badge, roles: ['visitor'], profile: { floor: badge === 'wrong' ? 'x' : 1 } }
              }
              const signedIn = await sessions.signIn(ctx, badge, verify as never, { remember: true })
              if (signedIn === null) throw problem('invalid-credentials', 'this badge opens nothing')
              ctx.body = { user: ctx.state.identity?.user.id ?? '' }
            },
          }),
          defineRoute({
            method: 'GET',
            path: '/floor',
            access: { roles: ['visitor'] },
            summary: 'Where the visitor may go',
            replies: { 200: { description: 'The floor' } },
            handler(ctx) {
              ctx.body = { floor: ctx.state.identity?.user.profile['floor'] }
            },
          }),
        ],
      }),
    )
  })
  after(() => running?.stop())

  async function enter(): Promise<string> {
    return (await running.request('POST', '/badge', { json: { badge: 'b-17' } })).json().token as string
  }

  it('does so through sessions, and every worker knows who it is', async () => {
    const token = await enter()
    for (const answer of await running.onEveryWorker('GET', '/floor', { token })) {
      expect(answer.json()).to.deep.equal({ floor: 3 })
    }
    for (const answer of await running.onEveryWorker('GET', me, { token })) {
      expect(answer.json().user).to.deep.equal({ id: 'b-17', roles: ['visitor'], floor: 3 })
    }
  })

  it('refuses whom it does not know', async () => {
    const answer = await running.request('POST', '/badge', { json: { badge: 'b-0' } })
    expect(answer.status).to.equal(401)
  })

  const callback = (badge: string, headers = {}) => running.request('GET', `/callback/${badge}`, { headers })
  const cookieOf = ({ headers }: { headers: Record<string, unknown> }) =>
    /^sid=[^;]+/.exec(String(headers['set-cookie']))?.[0] ?? ''

  it('sets the session cookie, ends the session that came with the request, and tells its hook', async () => {
    const first = await callback('b-1')
    expect(first.json()).to.deep.equal({ user: 'b-1' })
    expect(String(first.headers['set-cookie'])).to.match(
      /^sid=[^;]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/,
    )
    const cookie = cookieOf(first)
    for (const { status } of await running.onEveryWorker('GET', '/floor', { headers: { cookie } })) {
      expect(status).to.equal(200)
    }
    expect(events).to.include('in b-1')
    const second = await callback('b-1', { cookie })
    expect(second.status).to.equal(200)
    for (const { status } of await running.onEveryWorker('GET', '/floor', { headers: { cookie } })) {
      expect(status).to.equal(401)
    }
    const own = { headers: { cookie: cookieOf(second) } }
    expect((await running.request('GET', '/floor', own)).status).to.equal(200)
  })

  it('tries once more when the sessions of the user end meanwhile, and then creates nothing', async () => {
    overtakes = 1
    expect((await callback('overtaken')).status).to.equal(200)
    overtakes = 2
    const answer = await callback('overtaken')
    expect(answer.json()).to.include({ status: 503, type: 'login-superseded' })
    expect(answer.headers).not.to.have.property('set-cookie')
  })

  it('answers a problem as it is, and any other failure or a wrong profile with a 503', async () => {
    expect((await callback('unknown')).json()).to.include({ status: 403, detail: 'there is no such badge' })
    for (const badge of ['outage', 'wrong']) {
      const answer = await callback(badge)
      expect(answer.status).to.equal(503)
      expect(answer.headers).not.to.have.property('set-cookie')
    }
  })

  it('signs people out by our routes: one session everywhere, or all of them', async () => {
    const token = await enter()
    expect((await running.request('POST', '/api/v1/auth/logout', { token })).status).to.equal(204)
    for (const { status } of await running.onEveryWorker('GET', '/floor', { token })) {
      expect(status).to.equal(401)
    }
    expect(events).to.include('b-17')
    const tokens = [await enter(), await enter()]
    const ended = await running.request('POST', '/api/v1/auth/logout-all', { token: tokens[0] as string })
    expect(ended.status).to.be.below(300)
    for (const token of tokens) {
      for (const { status } of await running.onEveryWorker('GET', '/floor', { token })) {
        expect(status).to.equal(401)
      }
    }
  })

  it('has no sign-in and no accounts of ours', async () => {
    const token = await enter()
    const missing = [['POST', login], ['GET', '/sign-in'], ...ofOurAccounts] as const
    for (const [method, path] of missing) {
      const { status } = await running.request(method, path, { token })
      expect(status, `${method} ${path}`).to.equal(404)
    }
    const { paths } = (await running.request('GET', '/openapi.json')).json()
    expect(paths).to.include.keys('/badge', me).and.not.to.have.property(login)
  })

  it('signs in by signIn of lockstep/testing as it would itself', async () => {
    const user = await running.signIn({ roles: ['visitor'], profile: { floor: 7 } })
    const answer = await running.request('GET', '/floor', { token: user.token })
    expect(answer.json()).to.deep.equal({ floor: 7 })
  })
})

describe('An application with users of its own (accounts: { identify, verify })', () => {
  let running: TestApp
  const users = new Map([
    ['kim@example.com', { id: '42', secret: 'open sesame', profile: { tier: 'gold' } as object }],
    ['Zoë 7', { id: '44', secret: 'open sesame', profile: { tier: 'tin' } as object }],
    ['old@example.com', { id: '43', secret: 'open sesame', profile: { level: 9 } as object }],
  ])

  before(async () => {
    running = await startTestApp(
      defineApp({
        name: 'members',
        roles: ['customer'],
        profile: z.strictObject({ tier: z.string() }),
        accounts: {
          identify: (name) => users.get(name)?.id ?? null,
          verify(id, secret) {
            const user = [...users.values()].find((one) => one.id === id)
            if (user?.secret !== secret) return null
            return { id: user.id, roles: ['customer'], profile: user.profile as Record<string, string> }
          },
        },
        routes: [
          defineRoute({
            method: 'GET',
            path: '/tier',
            access: { roles: ['customer'] },
            summary: 'What the customer paid for',
            replies: { 200: { description: 'The tier' } },
            handler(ctx) {
              ctx.body = { tier: ctx.state.identity?.user.profile['tier'] }
            },
          }),
        ],
      }),
    )
  })
  after(() => running?.stop())

  const signIn = (email: string, password: string) =>
    running.request('POST', login, { json: { email, password, transport: 'token' } })

  it('signs them in by our login, with their roles and profile on every worker', async () => {
    const answer = await signIn('kim@example.com', 'open sesame')
    expect(answer.json().user).to.deep.equal({ id: '42', roles: ['customer'], tier: 'gold' })
    const { token } = answer.json()
    for (const tier of await running.onEveryWorker('GET', '/tier', { token })) {
      expect(tier.json()).to.deep.equal({ tier: 'gold' })
    }
    expect((await running.request('POST', '/api/v1/auth/logout', { token })).status).to.equal(204)
    for (const { status } of await running.onEveryWorker('GET', '/tier', { token })) {
      expect(status).to.equal(401)
    }
  })

  it('signs them in by a name that is no e-mail address, by the API and by the page', async () => {
    const signInAs = (fields: object) =>
      running.request('POST', login, { json: { password: 'open sesame', transport: 'token', ...fields } })
    expect((await signInAs({ name: 'Zoë 7' })).json().user).to.include({ id: '44' })
    expect((await signInAs({ email: 'Zoë 7' })).json().user).to.include({ id: '44' })
    for (const fields of [{}, { name: 'Zoë 7', email: 'Zoë 7' }, { name: '' }]) {
      expect((await signInAs(fields)).status).to.equal(422)
    }
    const page = await running.request('GET', '/sign-in')
    expect(page.text).to.include('>Name</label>').and.not.to.include('Forgot your password')
    const answer = await running.request('POST', '/sign-in', {
      body: new URLSearchParams({ email: 'Zoë 7', password: 'open sesame' }).toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'sec-fetch-site': 'same-origin',
      },
    })
    expect(answer.status).to.equal(303)
    expect(answer.headers).to.have.property('set-cookie')
  })

  it('has our sign-in page, and no passwords, links or accounts of ours', async () => {
    expect((await running.request('GET', '/sign-in')).status).to.equal(200)
    const { token } = (await signIn('kim@example.com', 'open sesame')).json()
    for (const [method, path] of ofOurAccounts) {
      const { status } = await running.request(method, path, { token })
      expect(status, `${method} ${path}`).to.equal(404)
    }
  })

  it('answers a wrong secret and an unknown name with the same 401', async () => {
    for (const name of ['kim@example.com', 'nobody@example.com']) {
      const answer = await signIn(name, 'open barley')
      expect(answer.json()).to.include({ status: 401, type: 'invalid-credentials' })
    }
  })

  it('is told when a profile is not what its schema says: 503, never a wrong password or half a user', async () => {
    const answer = await signIn('old@example.com', 'open sesame')
    expect(answer.status).to.equal(503)
    expect(answer.text).not.to.include('level')
    expect(running.log()).to.include('verify answered what it must not').and.to.include('tier')
  })

  it('describes its users in /openapi.json by its own schema', async () => {
    const { paths } = (await running.request('GET', '/openapi.json')).json()
    const { user } = paths[me].get.responses['200'].content['application/json'].schema.properties
    expect(user.properties).to.have.keys('id', 'roles', 'tier')
  })
})

describe('accounts that are none', () => {
  it('are refused before anything is started', async () => {
    const broken = defineApp({ name: 'broken', accounts: { identify: () => null } as never })
    const cause = await rejection(startTestApp(broken))
    expect(String(cause)).to.include('accounts must be null or have identify and verify')
  })
})
