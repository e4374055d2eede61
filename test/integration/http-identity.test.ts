import { expect } from 'chai'
import type { IdentityProvider, VerifiedUser } from '../../shared/accounts/identity-provider.ts'
import { startHttpApp, type Answer, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe("Signing in with an application's own users", () => {
  let redis: TestRedis
  let app: HttpApp
  let provider: IdentityProvider
  const asked: (string | null)[] = []

  const table: Record<string, { id: string; secret: string }> = {
    'kim@example.com': { id: '42', secret: 'open sesame' },
  }
  const ownUsers: IdentityProvider = {
    identify: (name) => table[name]?.id ?? null,
    verify(id, secret, refuse) {
      asked.push(id)
      const user = Object.values(table).find((one) => one.id === id)
      if (user?.secret !== secret) return null
      if (secret === 'barred') refuse?.('barred')
      return { id: user.id, roles: ['customer'], profile: { tier: 'gold' } }
    },
  }

  before(async () => {
    redis = await startRedis()
    const identity: IdentityProvider = {
      identify: (name) => provider.identify(name),
      verify: (id, secret, refuse) => provider.verify(id, secret, refuse),
    }
    app = await startHttpApp({ redisUrl: redis.url, identity })
  })
  beforeEach(() => {
    provider = ownUsers
    asked.length = 0
  })
  after(async () => {
    await app?.stop()
    await redis?.stop()
  })

  function login(email: string, password: string): Promise<Answer> {
    return app.request('POST', '/api/v1/auth/login', { json: { email, password, transport: 'token' } })
  }

  it('the session says what the application says of its user', async () => {
    const answer = await login('kim@example.com', 'open sesame')
    expect(answer.status).to.equal(200)
    expect(answer.json().user).to.deep.equal({ id: '42', roles: ['customer'], tier: 'gold' })
    const me = await app.request('GET', '/api/v1/auth/me', { bearer: answer.json().token })
    expect(me.json().user).to.deep.equal({ id: '42', roles: ['customer'], tier: 'gold' })
  })

  it('an unknown name and a wrong secret are the same 401, and both were verified', async () => {
    const answers = [await login('kim@example.com', 'wrong'), await login('nobody@example.com', 'wrong')]
    for (const answer of answers)
      expect(answer.json()).to.include({ status: 401, type: 'invalid-credentials' })
    expect(asked).to.deep.equal(['42', null])
  })

  const faults: Record<string, IdentityProvider> = {
    'identify throws': {
      ...ownUsers,
      identify() {
        throw new Error('relation "secret_users" does not exist')
      },
    },
    'verify rejects': { ...ownUsers, verify: () => Promise.reject(new Error('secret_users is away')) },
    'verify answers another user': { ...ownUsers, verify: () => ({ id: '43', roles: [] }) },
    'verify answers a user for nobody': { identify: () => null, verify: () => ({ id: '43', roles: [] }) },
    'verify answers no user': { ...ownUsers, verify: () => true as unknown as VerifiedUser },
    'an id can be in no key': { ...ownUsers, identify: () => 'a\nb' },
    'a role can be in no header': { ...ownUsers, verify: () => ({ id: '42', roles: ['a,admin'] }) },
  }
  for (const [fault, broken] of Object.entries(faults)) {
    it(`${fault}: an outage, 503, that tells a stranger nothing and counts no guess`, async () => {
      provider = broken
      for (let attempt = 0; attempt < 12; attempt++) {
        const answer = await login('kim@example.com', 'open sesame')
        expect(answer.json()).to.include({ status: 503, type: 'unavailable' })
        expect(answer.headers['retry-after']).to.match(/^\d+$/)
        expect(answer.text).not.to.include('secret_users')
      }
      provider = ownUsers
      expect((await login('kim@example.com', 'open sesame')).status).to.equal(200)
    })
  }
})
