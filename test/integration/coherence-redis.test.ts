import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { ConfigurationError } from '../../shared/kernel/errors.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedisOptions } from '../support/redis.ts'
import { signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'

describe('A domain whose members disagree', () => {
  const afterwards = cleanUpAfterEach()

  it('does not take one up that means something else by a restart, as long as others live', async () => {
    const redis = await startRedis()
    afterwards(() => redis.stop())
    const first = await startSessionWorker(redis.url, { durability: 'keep' })
    const { token } = await signIn(first)

    const refused = await startSessionWorker(redis.url, { durability: 'fence' }).catch(
      (cause: unknown) => cause,
    )
    expect(refused).to.be.instanceOf(ConfigurationError)
    expect((refused as Error).message)
      .to.include('durability keep')
      .and.include('durability fence')

    await first.stop()
    const heir = await startSessionWorker(redis.url, { durability: 'fence' })
    afterwards(() => heir.stop())
    expect((await heir.sessions.authenticate(token))?.user.id, 'nobody is signed out by it').to.equal('alice')
  }).timeout(30_000)

  it('does not take up one of a later protocol while those of an older one live', async () => {
    const redis = await startRedis()
    afterwards(() => redis.stop())
    const operator = new Redis(redis.url)
    afterwards(() => operator.disconnect())
    const before = await startSessionWorker(redis.url)
    const { token } = await signIn(before)
    await before.stop()
    // As the version before left it, with a member that goes on renewing its lease.
    await operator.hdel('{sx}:c', 'agreement')
    let order = 0
    const renew = () => operator.hset('{sx}:c', 'w:old', `0:1000:${++order}`)
    await renew()
    const renewing = setInterval(() => void renew(), 50)
    const refused = await startSessionWorker(redis.url).catch((cause: unknown) => cause)
    clearInterval(renewing)
    expect(refused).to.be.instanceOf(ConfigurationError)
    expect((refused as Error).message).to.include('protocol 1')

    const heir = await startSessionWorker(redis.url)
    afterwards(() => heir.stop())
    expect((await heir.sessions.authenticate(token))?.user.id).to.equal('alice')
    expect((await heir.sessions.revoke(token)).outcome).to.equal('revoked')
  }).timeout(30_000)
})

describe('A logout on a Redis that', () => {
  const afterwards = cleanUpAfterEach()

  async function setUp(options: TestRedisOptions = {}) {
    const redis = await startRedis(options)
    afterwards(() => redis.stop())
    const operator = new Redis(redis.url)
    afterwards(() => operator.disconnect())
    const workers: TestWorker[] = []
    for (let i = 0; i < 2; i++) {
      const worker = await startSessionWorker(redis.url)
      afterwards(() => worker.stop())
      workers.push(worker)
    }
    const [first, second] = workers as [TestWorker, TestWorker]
    return { redis, operator, first, second }
  }

  it('can not write its file is unconfirmed, and asking again finishes it', async () => {
    const { redis, first, second } = await setUp({ persistence: 'everysec', mayRunFull: true })
    const { token } = await signIn(first)
    // The incarnation is settled by now: the next one would not wait for anything but acknowledgements.
    await first.sessions.revokeUser('nobody')

    await redis.fillDisk()
    expect((await first.sessions.revoke(token)).outcome).to.equal('unconfirmed')
    await redis.freeDisk()

    const again = await eventually(async () => {
      const { outcome } = await first.sessions.revoke(token)
      expect(outcome).not.to.equal('unconfirmed')
      return outcome
    }, 10_000)
    expect(again).to.be.oneOf(['revoked', 'gone'])
    expect(await second.sessions.authenticate(token)).to.equal(null)
  }).timeout(60_000)

  it('can not write its file is heard all the same: a refused PING is an answer', async () => {
    const { redis, operator, first } = await setUp({ config: { save: '3600 1' } })
    await mkdir(join(redis.dir, 'dump.rdb'))
    await operator.bgsave()
    await eventually(async () => expect(await operator.info('persistence')).to.contain('bgsave_status:err'))
    expect(await operator.ping().catch(String)).to.contain('MISCONF')
    const refused = async () =>
      Number(/cmdstat_ping:.*rejected_calls=(\d+)/.exec(await operator.info('commandstats'))?.[1] ?? 0)
    const subscribers = async () => {
      const list = String(await operator.call('CLIENT', 'LIST', 'TYPE', 'PUBSUB'))
      return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => id)
    }
    const [known, asked] = [await subscribers(), await refused()]
    // Each of them was asked twice.
    await eventually(async () => expect(await refused()).to.be.at.least(asked + 2 * known.length), 15_000)
    expect(await subscribers()).to.deep.equal(known)
    expect(first.coherence.counters.subscriberResets).to.equal(0)
  }).timeout(30_000)

  it('can not write its file did not end a session by its id for good: asking again confirms that there was one', async () => {
    const { redis, first, second } = await setUp({ persistence: 'everysec', mayRunFull: true })
    const { token, identity } = await signIn(first)
    await first.sessions.revokeUser('nobody')
    const end = () => second.sessions.revokeById('alice', identity.session.id)

    await redis.fillDisk()
    expect((await end()).outcome).to.equal('unconfirmed')
    await redis.freeDisk()

    const again = await eventually(async () => {
      const ended = await end()
      expect(ended.outcome).not.to.equal('unconfirmed')
      return ended
    }, 10_000)
    expect(again).to.include({ outcome: 'revoked', count: 1 })
    expect(await first.sessions.authenticate(token)).to.equal(null)
    expect(await end(), 'it was answered').to.include({ outcome: 'gone' })
  }).timeout(60_000)

  /** All that the domain keeps, to be put back as a snapshot of the machine would. */
  async function snapshot(operator: Redis): Promise<() => Promise<void>> {
    const keys = await operator.keys('*')
    const values = await Promise.all(keys.map((key) => operator.dumpBuffer(key)))
    // A session without one would be taken for damaged.
    const lifetimes = await Promise.all(keys.map((key) => operator.pttl(key)))
    return async () => {
      const transaction = operator.multi().flushall()
      keys.forEach((key, i) => transaction.restore(key, Math.max(0, lifetimes[i]!), values[i]!))
      await transaction.exec()
    }
  }

  it('was put back to an older state under the same run id stays true, and so do later ones', async () => {
    const { operator, first, second } = await setUp()
    const { token } = await signIn(first)
    const other = await signIn(first)
    const putBack = await snapshot(operator)
    expect((await second.sessions.revoke(token)).outcome).to.equal('revoked')

    await putBack()
    expect(await operator.keys('{sx}:s:*'), 'the session is really back').to.have.length(2)
    for (const { sessions } of [first, second]) expect(await sessions.authenticate(token)).to.equal(null)

    // Another past may hold anything that was revoked: everybody signs in again.
    await eventually(async () => expect(await second.sessions.authenticate(other.token)).to.equal(null))
    const again = await signIn(first)
    expect((await second.sessions.authenticate(again.token))?.user.id).to.equal('alice')
    expect((await first.sessions.revoke(again.token)).outcome).to.equal('revoked')
    expect(await second.sessions.authenticate(again.token)).to.equal(null)
  })

  it('was demoted, and promoted again without it, stays true; and so it does on the replica that was promoted', async () => {
    const { redis, operator, first, second } = await setUp()
    const standby = await startRedis()
    afterwards(() => standby.stop())
    const standbyOperator = new Redis(standby.url)
    afterwards(() => standbyOperator.disconnect())
    const { token } = await signIn(first)

    const follow = async (replica: Redis, primary: string) => {
      const { hostname, port } = new URL(primary)
      await replica.replicaof(hostname, port)
      await eventually(async () => {
        expect(await replica.info('replication')).to.include('master_link_status:up')
        expect(await replica.exists('{sx}:c')).to.equal(1)
      }, 10_000)
    }
    await follow(standbyOperator, redis.url)
    await standbyOperator.replicaof('NO', 'ONE')
    expect((await second.sessions.revoke(token)).outcome).to.equal('revoked')

    await follow(operator, standby.url)
    await operator.replicaof('NO', 'ONE')
    expect(await operator.keys('{sx}:s:*'), 'the session is really back').to.have.length(1)
    for (const { sessions } of [first, second]) {
      await eventually(async () => expect(await sessions.authenticate(token)).to.equal(null), 5_000)
    }

    const newcomer = await startSessionWorker(standby.url, { durability: 'fence' })
    afterwards(() => newcomer.stop())
    expect(await newcomer.sessions.authenticate(token)).to.equal(null)
  }).timeout(60_000)

  it('holds a number that was damaged goes on in a new incarnation', async () => {
    const { operator, first, second } = await setUp()
    for (const damage of ['-1', '1.5', 'x', '99999999999999999999']) {
      const { token } = await signIn(first)
      expect((await second.sessions.authenticate(token))?.user.id).to.equal('alice')
      await operator.hset('{sx}:c', 'seq', damage)
      expect((await first.sessions.revoke(token)).outcome).to.equal('revoked')
      expect(await second.sessions.authenticate(token)).to.equal(null)
    }
  }).timeout(40_000)
})
