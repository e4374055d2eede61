import { expect } from 'chai'
import { Redis } from 'ioredis'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { onEveryWorker, send, sendAs, signIn, type SignedIn, type TestResponse } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { createUsers, verdicts, type TestUser } from '../support/users.ts'

/** How long it may take until everybody has found Redis again. */
const recoveryMs = 15_000

function expectToldToComeBack(answer: TestResponse, type: string): void {
  expect(answer.json()).to.include({ status: 503, type })
  expect(Number(answer.headers['retry-after'])).to.be.at.least(1)
  expect(answer.headers).to.not.have.property('set-cookie')
}

describe('a Redis session cache that lost invalidations silently when Redis failed', function () {
  this.timeout(60_000)
  let redis: TestRedis
  let cluster: TestCluster
  let user: TestUser
  let person: SignedIn
  let pids: ReadonlyMap<number, number>

  before(async () => {
    redis = await startRedis({ persistence: 'always' })
    cluster = await startCluster({ workers: 2, redisUrl: redis.url, env: withoutLimits })
    user = await (await createUsers(cluster)).register()
    pids = cluster.workerPids()
  })
  beforeEach(async () => {
    person = await signIn(cluster.url, user.credentials)
    for (let time = 0; time < 2; time++) expect(await verdicts(cluster, person)).to.deep.equal([200, 200])
  })
  after(async () => {
    redis?.thaw()
    await cluster?.stop()
    await redis?.stop()
  })

  const logout = () => person.send('/api/v1/auth/logout', { method: 'POST' })
  const me = () => person.send('/api/v1/auth/me')

  const outages = [
    ['is frozen', () => redis.freeze(), () => redis.thaw()],
    ['is killed', () => redis.kill('SIGKILL'), () => redis.restart()],
  ] as const
  for (const [what, fail, mend] of outages) {
    it(`while Redis ${what}, a logout is never answered with success, and repeated afterwards it is one`, async () => {
      const bystander = await signIn(cluster.url, user.credentials)
      await fail()
      for (const answer of await Promise.all([logout(), logout()])) {
        expectToldToComeBack(answer, 'revocation-unconfirmed')
      }
      await mend()
      await eventually(async () => expect((await logout()).status).to.equal(204), recoveryMs)
      expect(await verdicts(cluster, person)).to.deep.equal([401, 401])
      expect(await verdicts(cluster, bystander), 'nobody else is signed out').to.deep.equal([200, 200])
      expect(cluster.workerPids()).to.deep.equal(pids)
    })

    it(`while Redis ${what}, every request is answered soon, with 503, and works again without a restart`, async () => {
      const unknown = { token: 'A'.repeat(43) }
      await fail()
      // What a worker has in its memory it may answer until its lease is over.
      await eventually(async () => {
        for (const answer of (await onEveryWorker(2, me)).values()) expect(answer.status).to.equal(503)
      })
      for (const answer of await Promise.all([
        me(),
        sendAs(cluster.url, '/api/v1/auth/me', unknown),
        person.send('/api/v1/session', { method: 'PATCH', body: { a: 1 } }),
        person.send('/api/v1/auth/sessions'),
        send(`${cluster.url}/api/v1/auth/login`, { method: 'POST', body: user.credentials }),
      ])) {
        expectToldToComeBack(answer, 'unavailable')
      }
      const ready = await send(`${cluster.url}/readyz`)
      expect(ready.json()).to.deep.include({ status: 503, checks: { redis: 'down', database: 'ok' } })
      expect((await send(`${cluster.url}/livez`)).status).to.equal(200)

      await mend()
      await eventually(
        async () => expect(await verdicts(cluster, person)).to.deep.equal([200, 200]),
        recoveryMs,
      )
      expect((await sendAs(cluster.url, '/api/v1/auth/me', unknown)).status).to.equal(401)
      expect((await logout()).status).to.equal(204)
      expect(await verdicts(cluster, person)).to.deep.equal([401, 401])
      expect(cluster.workerPids()).to.deep.equal(pids)
    })
  }

  it('a logout that nobody hears of, since every subscription was just cut, is refused by every worker', async () => {
    const operator = new Redis(redis.url)
    try {
      for (let round = 0; round < 3; round++) {
        person = await signIn(cluster.url, user.credentials)
        expect(await verdicts(cluster, person)).to.deep.equal([200, 200])
        await operator.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
        expect((await logout()).status).to.equal(204)
        expect(await verdicts(cluster, person)).to.deep.equal([401, 401])
      }
    } finally {
      operator.disconnect()
    }
  })

  it('a logout while one of the workers hangs is refused by that one too, when it goes on', async () => {
    cluster.signalWorker(2, 'SIGSTOP')
    try {
      const answer = await eventually(async () => {
        const tried = await person.send('/api/v1/auth/logout', { method: 'POST', timeoutMs: 5_000 })
        expect(tried.status).to.equal(204)
        return tried
      }, 20_000)
      expect(answer.worker).to.equal('web-1')
    } finally {
      cluster.signalWorker(2, 'SIGCONT')
    }
    expect(await verdicts(cluster, person)).to.deep.equal([401, 401])
  })
})

describe('the embedded Redis, when it dies', function () {
  this.timeout(60_000)

  it('is started again, and sessions, data and logouts go on', async () => {
    const cluster = await startCluster({ workers: 2 })
    try {
      const person = await signIn(cluster.url, admin)
      const gone = await signIn(cluster.url, admin)
      expect((await gone.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
      await person.send('/api/v1/session', { method: 'PATCH', body: { cart: [1] } })

      const started = cluster.logged().find(({ redisPid }) => redisPid !== undefined)
      process.kill(Number(started?.redisPid), 'SIGKILL')
      await eventually(() => expect(cluster.output()).to.contain('the embedded Redis runs again'), recoveryMs)
      await eventually(
        async () => expect(await verdicts(cluster, person)).to.deep.equal([200, 200]),
        recoveryMs,
      )
      expect(await verdicts(cluster, gone)).to.deep.equal([401, 401])
      expect((await person.send('/api/v1/session')).json()).to.deep.equal({ data: { cart: [1] } })
      expect((await person.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
      expect(await verdicts(cluster, person)).to.deep.equal([401, 401])
    } finally {
      await cluster.stop()
    }
  })
})
