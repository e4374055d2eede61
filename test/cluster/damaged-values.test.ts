import { expect } from 'chai'
import { Redis } from 'ioredis'
import { hashToken } from '../../shared/sessions/token.ts'
import { startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { keysOfServer } from '../support/deployment-keys.ts'
import { eventually } from '../support/eventually.ts'
import { onEveryWorker, signIn, type SignedIn } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { createUsers, verdicts, type TestUser, type TestUsers } from '../support/users.ts'

describe('corrupted session values in Redis', function () {
  this.timeout(30_000)
  let redis: TestRedis
  let operator: Redis
  let cluster: TestCluster
  let users: TestUsers
  let user: TestUser
  let person: SignedIn
  let domain: string

  before(async () => {
    redis = await startRedis()
    operator = new Redis(redis.url)
    const env = { ...withoutLimits, SESSION_CACHE: 'redis' }
    cluster = await startCluster({ workers: 2, redisUrl: redis.url, env })
    domain = (await keysOfServer(operator)).sessions
    users = await createUsers(cluster)
  })
  beforeEach(async () => {
    user = await users.register()
    person = await signIn(cluster.url, user.credentials)
    expect(await verdicts(cluster, person)).to.deep.equal([200, 200])
  })
  after(async () => {
    await cluster?.stop()
    operator?.disconnect()
    await redis?.stop()
  })

  const session = () => `{${domain}}:s:${hashToken(person.token)}`
  const owner = () => `{${domain}}:u:${user.id}`
  const damages: [what: string, damage: () => Promise<unknown>][] = [
    ['a string in place of the session', () => operator.set(session(), '{"user":"admin"}', 'EX', 60)],
    ['a list in place of the session', () => operator.multi().del(session()).lpush(session(), 'x').exec()],
    ['an owner that is missing', () => operator.hdel(session(), 'uid')],
    ['a deadline that is no number', () => operator.hset(session(), 'abs', 'soon')],
    ['no expiry, which would mean for ever', () => operator.persist(session())],
    ['bytes that are no UTF-8 in every field', () => overwrite(session(), Buffer.from([0xff, 0xfe, 0x00]))],
    ['the fields of another application', () => overwrite(session(), 'O:8:"stdClass":0:{}')],
    ['roles that are no list', () => operator.hset(owner(), 'roles', '{"admin":true}')],
    ['roles that are no JSON', () => operator.hset(owner(), 'roles', '["admin"')],
    ['a profile that is no JSON', () => operator.hset(owner(), 'profile', '\0')],
  ]

  async function overwrite(key: string, value: string | Buffer): Promise<void> {
    const fields = await operator.hkeys(key)
    await operator.hset(key, Object.fromEntries(fields.map((field) => [field, value])))
  }

  for (const [what, damage] of damages) {
    it(`${what}: a 401 and a log line, never a 500`, async () => {
      const before = reports()
      await damage()
      expect(await verdicts(cluster, person)).to.deep.equal([401, 401])
      const write = await person.send('/api/v1/session', { method: 'PATCH', body: { a: 1 } })
      expect(write.json()).to.include({ status: 401 })
      await eventually(() => expect(reports()).to.be.greaterThan(before))
      const ends = await onEveryWorker(2, () => person.send('/api/v1/auth/logout', { method: 'POST' }))
      expect([...ends.values()].map(({ status }) => status)).to.deep.equal([204, 204])
    })
  }

  it('and nobody else notices any of it', async () => {
    expect(await verdicts(cluster, users.administrator)).to.deep.equal([200, 200])
    expect(cluster.logged().filter(({ level }) => ['error', 'fatal'].includes(level))).to.deep.equal([])
  })

  function reports(): number {
    return cluster.logged().filter(({ msg }) => msg === 'a session in Redis is corrupted and was refused')
      .length
  }
})
