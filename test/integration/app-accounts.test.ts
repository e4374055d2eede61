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

  before(async () => {
    running = await startTestApp(
      defineApp({
        name: 'badges',
        accounts: null,
        roles: ['visitor'],
        profile: z.strictObject({ floor: z.number() }),
        hooks: { signedOut: ({ userId }) => void events.push(userId) },
        routes: [
          defineRoute({
            method: 'POST',
            path: '/badge',
            access: 'anyone',
            summary: 'Sign in with a badge',
            body: z.strictObject({ badge: z.string() }),
            replies: { 200: { description: 'Signed in', body: z.strictObject({ token: z.string() }) } },
            async handler(ctx, { body: { badge } }, { sessions }) {
              const ticket = await sessions.prepareLogin(badge)
              if (badge !== 'b-17') throw problem('invalid-credentials', 'this badge opens nothing')
              const subject = { id: badge, roles: ['visitor'], version: 1, profile: { floor: 3 } }
              const created = await sessions.create(ticket, { subject })
              if (created.outcome !== 'created') throw problem('login-superseded', 'please try again')
              ctx.body = { token: created.token }
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
