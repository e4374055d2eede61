import { expect } from 'chai'
import { Redis } from 'ioredis'
import { hashToken } from '../../shared/sessions/token.ts'
import { startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { keysOfServer } from '../support/deployment-keys.ts'
import { eventually } from '../support/eventually.ts'
import { onEveryWorker, signIn, type SignedIn, type TestResponse } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { createUsers, verdicts, type TestUser } from '../support/users.ts'

const logout = { path: '/api/v1/auth/logout', method: 'POST' }
const data = '/api/v1/session'

describe('a session library in which a concurrent request revives a logged-out session', function () {
  this.timeout(30_000)
  let redis: TestRedis
  let operator: Redis
  let cluster: TestCluster
  let user: TestUser
  let domain: string

  before(async () => {
    redis = await startRedis({ persistence: 'always' })
    operator = new Redis(redis.url)
    // Use is reported every tenth of the idle timeout: often.
    const env = { ...withoutLimits, SESSION_IDLE: '5s' }
    cluster = await startCluster({ workers: 3, redisUrl: redis.url, env })
    domain = (await keysOfServer(operator)).sessions
    user = await (await createUsers(cluster)).register()
  })
  after(async () => {
    await cluster?.stop()
    operator?.disconnect()
    await redis?.stop()
  })

  const login = () => signIn(cluster.url, user.credentials)
  /** A session that each worker has in its memory, so that it looks nowhere else when a request arrives. */
  async function loginKnownEverywhere(): Promise<SignedIn> {
    const person = await login()
    expect(await verdicts(cluster, person)).to.deep.equal([200, 200, 200])
    return person
  }
  const endSession = (person: SignedIn) => person.send(logout.path, { method: 'POST' })

  async function expectDeadForGood(person: SignedIn): Promise<void> {
    expect(await verdicts(cluster, person)).to.deep.equal([401, 401, 401])
    expect(await operator.exists(`{${domain}}:s:${hashToken(person.token)}`)).to.equal(0)
    const { sessions } = (await (await login()).send('/api/v1/auth/sessions')).json()
    const ids = sessions.map(({ id }: { id: string }) => id)
    expect(ids).to.not.include(person.login.json().session.id)
  }

  /** What Redis knows about the last use of this session. */
  async function lastSeenAt(person: SignedIn): Promise<number> {
    return Number(await operator.hget(`{${domain}}:s:${hashToken(person.token)}`, 'seen'))
  }

  function expectRefusedWithoutCookie(answer: TestResponse): void {
    expect(answer.json()).to.include({ status: 401, type: 'session-gone' })
    expect(answer.headers).to.not.have.property('set-cookie')
  }

  it('a write in flight during a logout revives nothing and sets no cookie, when the logout ends first', async () => {
    const person = await loginKnownEverywhere()
    await person.send(data, { method: 'PATCH', body: { cart: ['before'] } })
    const writes = await Promise.all(
      ['theme', 'cart'].map((field) => person.hold(data, { method: 'PATCH', body: { [field]: 'late' } })),
    )
    expect((await endSession(person)).status).to.equal(204)
    for (const write of writes) expectRefusedWithoutCookie(await write.finish())
    await expectDeadForGood(person)
  })

  it('a write in flight during a logout revives nothing and sets no cookie, when the write ends first', async () => {
    const person = await loginKnownEverywhere()
    const ending = await person.hold(logout.path, { method: 'POST', body: {} })
    const write = await person.send(data, { method: 'PATCH', body: { theme: 'dark' } })
    expect(write.status).to.equal(200)
    expect(write.headers).to.not.have.property('set-cookie')
    expect((await ending.finish()).status).to.equal(204)
    await expectDeadForGood(person)
  })

  it('a write that races a logout is done or refused, and the session is dead either way', async () => {
    for (let round = 0; round < 10; round++) {
      const person = await login()
      const write = () => person.send(data, { method: 'PATCH', body: { round } })
      const early = [write(), write(), write()]
      const ending = endSession(person)
      const late = [write(), write(), write()]
      expect((await ending).status).to.equal(204)
      for (const answer of await Promise.all([...early, ...late])) {
        expect(answer.status).to.be.oneOf([200, 401])
        expect(answer.headers).to.not.have.property('set-cookie')
      }
      await expectDeadForGood(person)
    }
  })

  it('renaming a session while it is logged out revives nothing', async () => {
    const person = await loginKnownEverywhere()
    const rename = await person.hold('/api/v1/auth/sessions/current', {
      method: 'PATCH',
      body: { label: 'kitchen tablet' },
    })
    expect((await endSession(person)).status).to.equal(204)
    expectRefusedWithoutCookie(await rename.finish())
    await expectDeadForGood(person)
  })

  it('a password change in flight during a logout gives the session no new life', async () => {
    const person = await loginKnownEverywhere()
    const { password } = user.credentials
    const change = await person.hold('/api/v1/auth/password', {
      method: 'PUT',
      body: { currentPassword: password, newPassword: password },
    })
    expect((await endSession(person)).status).to.equal(204)
    expectRefusedWithoutCookie(await change.finish())
    await expectDeadForGood(person)
  })

  it('rolling of the idle timeout in flight during a logout revives nothing', async () => {
    for (let round = 0; round < 2; round++) {
      const person = await login()
      let over = false
      /** Reads without a pause on all workers, through several reports of use, until long after the logout. */
      async function readOn(): Promise<TestResponse[]> {
        const answers: TestResponse[] = []
        while (!over) answers.push(await person.send('/api/v1/auth/me'))
        return answers
      }
      const readers = [readOn(), readOn()]
      const signedInAt = Date.parse(person.login.json().session.lastSeenAt)
      try {
        await eventually(async () => expect(await lastSeenAt(person)).to.be.greaterThan(signedInAt))
        expect((await endSession(person)).status).to.equal(204)
        await expectDeadForGood(person)
      } finally {
        over = true
      }
      for (const answer of (await Promise.all(readers)).flat()) {
        expect(answer.status).to.be.oneOf([200, 401])
        expect(answer.headers).to.not.have.property('set-cookie')
      }
      await expectDeadForGood(person)
    }
  })

  it('three concurrent writes to different fields all survive', async () => {
    const person = await loginKnownEverywhere()
    const fields = { theme: 'dark', cart: [1, 2], step: { page: 3 } }
    const writes = await Promise.all(
      Object.entries(fields).map(([field, value]) =>
        person.hold(data, { method: 'PATCH', body: { [field]: value } }),
      ),
    )
    const answers = await Promise.all(writes.map((write) => write.finish()))
    expect(new Set(answers.map(({ worker }) => worker)).size, 'workers that took part').to.be.greaterThan(1)
    for (const { status } of answers) expect(status).to.equal(200)
    const seen = await onEveryWorker(3, () => person.send(data))
    for (const answer of seen.values()) expect(answer.json()).to.deep.equal({ data: fields })
  })

  it('many concurrent writes to as many fields all survive', async () => {
    const person = await login()
    const names = Array.from({ length: 30 }, (_, index) => `field${index}`)
    const answers = await Promise.all(
      names.map((name) => person.send(data, { method: 'PATCH', body: { [name]: name } })),
    )
    for (const { status } of answers) expect(status).to.equal(200)
    expect((await person.send(data)).json().data).to.have.all.keys(names)
  })
})
