import { expect } from 'chai'
import { Redis } from 'ioredis'
import { Unavailable } from '../../shared/kernel/errors.ts'
import type { Subject } from '../../shared/sessions/sessions.ts'
import { hashToken } from '../../shared/sessions/token.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { alice, signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'

describe('sessions on a Redis that holds something else', () => {
  let redis: TestRedis
  let operator: Redis
  let worker: TestWorker
  let corrupt: string[]
  /** Each test has a user of its own, so that one test's damage is not another's. */
  let user: Subject
  let test = 0

  before(async () => {
    redis = await startRedis()
    operator = new Redis(redis.url)
    worker = await startSessionWorker(redis.url, { cache: 'redis', onCorrupt: (hash) => corrupt.push(hash) })
  })
  beforeEach(() => {
    corrupt = []
    user = { ...alice, id: `user${test++}` }
  })
  after(async () => {
    await worker.stop()
    operator.disconnect()
    await redis.stop()
  })

  const key = (token: string) => `{sx}:s:${hashToken(token)}`
  const damages: [string, (token: string) => Promise<unknown>][] = [
    ['is a string', (token) => operator.set(key(token), 'x', 'EX', 60)],
    ['has no user', (token) => operator.hdel(key(token), 'uid')],
    ['has no deadline', (token) => operator.hdel(key(token), 'abs')],
    ['has a deadline that is no number', (token) => operator.hset(key(token), 'abs', 'soon')],
    ['lost its TTL, which would make it last for ever', (token) => operator.persist(key(token))],
    ['has a creation time that is no number', (token) => operator.hset(key(token), 'created', '{}')],
    [
      'belongs to a user whose roles are no list',
      () => operator.hset(`{sx}:u:${user.id}`, 'roles', '{"a":1}'),
    ],
    ['belongs to a user whose roles are no JSON', () => operator.hset(`{sx}:u:${user.id}`, 'roles', '[')],
    ['belongs to a user whose record is a string', () => operator.set(`{sx}:u:${user.id}`, 'x', 'EX', 60)],
  ]
  for (const [what, damage] of damages) {
    it(`a session that ${what} is dead, and reported`, async () => {
      const { token } = await signIn(worker, user)
      await damage(token)
      expect(await worker.sessions.authenticate(token)).to.equal(null)
      expect(corrupt).to.deep.equal([hashToken(token)])
      expect(await worker.sessions.saveData(token, { a: 1 }).catch(() => 'gone')).to.be.oneOf([
        'gone',
        'saved',
      ])
      expect((await worker.sessions.revoke(token)).outcome).not.to.equal('unconfirmed')
    })
  }

  it('a data field that is no JSON makes the data unreadable, not the server', async () => {
    const { token } = await signIn(worker, user)
    await operator.hset(key(token), 'd:x', '{')
    expect(await worker.sessions.loadData(token)).to.equal(null)
    expect(corrupt).to.deep.equal([hashToken(token)])
  })

  it('a domain record of another type is begun anew', async () => {
    await operator.set('{sx}:c', 'foreign')
    const { token } = await signIn(worker, user)
    expect((await worker.sessions.authenticate(token))?.user.id).to.equal(user.id)
  })

  it('an index of another type costs nobody the session or the logout', async () => {
    const { token } = await signIn(worker, user)
    await operator.set(`{sx}:i:${user.id}`, 'foreign')
    expect((await worker.sessions.authenticate(token))?.user.id).to.equal(user.id)
    expect((await worker.sessions.revoke(token)).outcome).to.equal('revoked')
  })

  for (const prefix of ['u', 'i']) {
    it(`a user whose {sx}:${prefix}: is of another type can sign in, and be signed out`, async () => {
      await operator.set(`{sx}:${prefix}:${user.id}`, 'foreign')
      const { token } = await signIn(worker, user)
      expect(await worker.sessions.list(user.id)).to.have.length(1)
      await operator.set(`{sx}:${prefix}:${user.id}`, 'foreign')
      expect(await worker.sessions.list(user.id)).to.deep.equal([])
      for (const ended of [
        await worker.sessions.revokeUser(user.id),
        await worker.sessions.revokeById(user.id, 'unknown'),
        await worker.sessions.updateSubject({ ...user, version: 2 }, { disabled: false }),
      ]) {
        expect(ended.outcome).to.equal('gone')
      }
      expect(await worker.sessions.authenticate(token)).to.equal(null)
    })
  }

  it('a session whose version is no number can be written', async () => {
    const { token } = await signIn(worker, user)
    await operator.hset(key(token), 'version', 'x')
    expect(await worker.sessions.saveData(token, { a: 1 })).to.equal('saved')
  })

  it('messages on the channel that are not ours are ignored', async () => {
    const coherent = await startSessionWorker(redis.url, { domain: 'noise' })
    const { token } = await signIn(coherent)
    await coherent.sessions.authenticate(token)
    const foreign = [
      '',
      '{}',
      '[]',
      'null',
      '[1,2,3,4]',
      '["x",1,"session","y"]',
      '["x",1e99,"a","b"]',
      '\0'.repeat(9),
    ]
    for (const message of foreign) await operator.publish('{noise}:inv', message)
    await eventually(() => expect(coherent.coherence.counters.malformedMessages).to.equal(7))
    expect((await coherent.sessions.authenticate(token))?.user.id).to.equal('alice')
    await coherent.stop()
  })

  it('two applications that share a Redis under different names do not see each other', async () => {
    const other = await startSessionWorker(redis.url, { domain: 'other' })
    const { token } = await signIn(worker, user)
    expect(await other.sessions.authenticate(token)).to.equal(null)
    await other.sessions.revokeUser(user.id)
    expect((await worker.sessions.authenticate(token))?.user.id).to.equal(user.id)
    await other.stop()
  })
})

describe('sessions on a Redis that is full', () => {
  const afterwards = cleanUpAfterEach()

  it('a full Redis still accepts a logout, and refuses logins as an outage', async () => {
    const redis = await startRedis({ config: { 'maxmemory-policy': 'noeviction' } })
    afterwards(() => redis.stop())
    const operator = new Redis(redis.url)
    afterwards(() => operator.disconnect())
    const worker = await startSessionWorker(redis.url)
    afterwards(() => worker.stop())
    const { token } = await signIn(worker)
    await operator.config('SET', 'maxmemory', '100kb')
    expect(await operator.set('filler', 'x').catch((failure: Error) => failure.message)).to.match(/^OOM/)
    expect((await worker.sessions.authenticate(token))?.user.id).to.equal('alice')
    const login = await signIn(worker).catch((failure: unknown) => failure)
    expect(login).to.be.instanceOf(Unavailable)
    expect(await worker.sessions.revoke(token)).to.include({ outcome: 'revoked', count: 1 })
    expect(await worker.sessions.authenticate(token)).to.equal(null)
  })
})

describe('what a revocation costs', () => {
  const afterwards = cleanUpAfterEach()

  it('revoke-all of a user with 10,000 sessions costs the same as with 10', async () => {
    const redis = await startRedis()
    afterwards(() => redis.stop())
    const operator = new Redis(redis.url)
    afterwards(() => operator.disconnect())
    const worker = await startSessionWorker(redis.url, { maxPerUser: 20_000, cache: 'redis' })
    afterwards(() => worker.stop())

    async function commandsToRevoke(userId: string, sessions: number): Promise<number> {
      const subject = { ...alice, id: userId }
      await signIn(worker, subject)
      const pipeline = operator.pipeline()
      const template = await operator.hgetall(`{sx}:s:${hashToken((await signIn(worker, subject)).token)}`)
      for (let i = 2; i < sessions; i++) {
        pipeline
          .hset(`{sx}:s:${userId}${i}`, { ...template, id: `id${i}` })
          .pexpire(`{sx}:s:${userId}${i}`, 60_000)
        pipeline.zadd(`{sx}:i:${userId}`, Date.now() + 60_000, `id${i}:${userId}${i}`)
      }
      await pipeline.exec()
      const before = await commandCalls(operator)
      expect(await worker.sessions.revokeUser(userId)).to.include({ outcome: 'revoked', count: sessions })
      const after = await commandCalls(operator)
      return [...after].reduce((sum, [name, calls]) => sum + calls - (before.get(name) ?? 0), 0)
    }
    // The first one waits for the incarnation to settle, and so looks at the acknowledgements more often.
    await worker.sessions.revokeUser('nobody')
    const few = await commandsToRevoke('few', 10)
    const many = await commandsToRevoke('many', 10_000)
    // Renewals of the membership fall in between, a handful at the most.
    expect(many).to.be.at.most(few + 25)
  })
})

describe('what listing sessions costs', () => {
  const afterwards = cleanUpAfterEach()

  it('Redis serves others between the pages of a user with 10,000 sessions', async () => {
    const redis = await startRedis()
    afterwards(() => redis.stop())
    const operator = new Redis(redis.url)
    afterwards(() => operator.disconnect())
    const worker = await startSessionWorker(redis.url, { maxPerUser: 20_000, cache: 'redis' })
    afterwards(() => worker.stop())
    const { token } = await signIn(worker)
    const template = await operator.hgetall(`{sx}:s:${hashToken(token)}`)
    const pipeline = operator.pipeline()
    for (let i = 1; i < 10_000; i++) {
      pipeline.hset(`{sx}:s:${i}`, { ...template, id: `id${i}` }).pexpire(`{sx}:s:${i}`, 60_000)
      pipeline.zadd('{sx}:i:alice', Date.now() + 60_000 + i, `id${i}:${i}`)
    }
    await pipeline.exec()

    const calls = async () => (await commandCalls(operator)).get('evalsha') ?? 0
    const before = await calls()
    expect(await worker.sessions.list('alice')).to.have.length(10_000)
    expect((await calls()) - before, 'one page after the other').to.be.above(100)
    const few = await worker.sessions.list('alice', { most: 10 })
    expect(few.map(({ id }) => id).sort()).to.deep.equal(
      Array.from({ length: 10 }, (_, i) => `id${9_999 - i}`).sort(),
    )
  }).timeout(30_000)
})

/** How often each command ran, those that scripts call included. */
async function commandCalls(redis: Redis): Promise<Map<string, number>> {
  const stats = await redis.info('commandstats')
  return new Map(
    [...stats.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)]
      .filter(([, name]) => !['info', 'ping'].includes(name!))
      .map(([, name, calls]) => [name!, Number(calls)]),
  )
}
