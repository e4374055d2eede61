import { expect } from 'chai'
import { eventually } from '../support/eventually.ts'
import { openEventStream } from '../support/event-stream.ts'
import { startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('GET /api/v1/auth/stream', () => {
  let redis: TestRedis
  let app: HttpApp

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({ redisUrl: redis.url })
    await app.register('root@example.com', ['admin'])
  })
  after(async () => {
    await app.stop()
    await redis.stop()
  })

  const open = (token: string, query = '') =>
    openEventStream(`${app.url}/api/v1/auth/stream${query}`, { Authorization: `Bearer ${token}` })

  it('says nothing but the end of the session', async () => {
    await app.register('ada@example.com')
    const token = await app.signIn('ada@example.com')
    const stream = await open(token)
    expect(stream.status).to.equal(200)
    await app.request('POST', '/api/v1/auth/logout', { bearer: token })
    await stream.ended
    expect(stream.events().map(({ event }) => event)).to.deep.equal(['session-ended'])
    expect((await open(token)).status).to.equal(401)
  })

  it('says that the user has lost the roles that were named, and goes on otherwise', async () => {
    const { id } = await app.register('vera@example.com', ['viewer'])
    const token = await app.signIn('vera@example.com')
    const [plain, viewing] = [await open(token), await open(token, '?roles=viewer,operator')]
    expect((await open(token, '?roles=admin')).status).to.equal(403)
    const bearer = await app.signIn('root@example.com')
    const changed = await app.request('PATCH', `/api/v1/admin/users/${id}`, {
      bearer,
      json: { roles: ['user'] },
    })
    expect(changed.status).to.equal(200)
    await viewing.ended
    expect(viewing.events().at(-1)).to.include({ event: 'access-lost' })
    expect(plain.hasEnded()).to.equal(false)
    plain.close()
    await eventually(() => expect(app.connections()).to.equal(0))
  })

  it('is for those who are signed in, and takes names of roles', async () => {
    expect((await openEventStream(`${app.url}/api/v1/auth/stream`)).status).to.equal(401)
    const token = await app.signIn('root@example.com')
    for (const query of ['?roles=', '?roles=,', `?roles=${'x'.repeat(2_000)}`]) {
      expect((await open(token, query)).status, query).to.equal(422)
    }
    expect((await open(token, '?roles=a&roles=b')).status).to.equal(400)
  })
})
