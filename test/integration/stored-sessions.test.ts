import { expect } from 'chai'
import { Redis } from 'ioredis'
import { newToken, hashToken } from '../../shared/sessions/token.ts'
import type { DataChanges } from '../../shared/sessions/sessions.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { rejection } from '../support/rejection.ts'
import { alice, signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'

/** What koaSessionStore and expressSessionStore are built on, beside sessions that are served from memory. */
describe('the sessions of a store in Redis, two workers', () => {
  let redis: TestRedis
  let operator: Redis
  let workers: TestWorker[]
  let corrupt: string[] = []
  let user = ''
  let count = 0
  const [first, second] = [() => workers[0]!.sessions, () => workers[1]!.sessions]

  before(async () => {
    redis = await startRedis()
    operator = new Redis(redis.url)
    const options = { maxPerUser: 2, onCorrupt: (hash: string) => void corrupt.push(hash) }
    workers = [await startSessionWorker(redis.url, options), await startSessionWorker(redis.url, options)]
  })
  beforeEach(() => {
    corrupt = []
    user = `user${++count}`
  })
  after(async () => {
    await Promise.all(workers.map((worker) => worker.stop()))
    operator.disconnect()
    await redis.stop()
  })

  const write = (
    id: string,
    was: 'new' | { userId: string | null },
    userId: string | null,
    changes: DataChanges = {},
    ticket = first().stored.ticket(),
  ) => first().stored.write(id, { was, userId, changes, ticket, device: { userAgent: 'a browser' } })

  /** An id that is a token of ours too, so that workers may hold its session in memory. */
  async function tokenOfOurs(): Promise<string> {
    const { token } = await signIn(workers[0]!, { ...alice, id: 'somebody-who-left' })
    await first().revoke(token)
    return token
  }

  async function signedIn(userId = user): Promise<string> {
    const id = await tokenOfOurs()
    expect(await write(id, 'new', userId, { a: 1 })).to.equal('saved')
    return id
  }

  it('one of a user is a session like any other: listed, with its device, and served from memory', async () => {
    const id = await signedIn()
    expect(await second().list(user)).to.have.length(1)
    expect((await second().list(user))[0]).to.include({ userAgent: 'a browser' })
    for (let round = 0; round < 2; round++) {
      expect((await second().authenticate(id))?.user.id).to.equal(user)
    }
  })

  it('one of a guest is no proof of anything', async () => {
    const id = await tokenOfOurs()
    await write(id, 'new', null, { a: 1 })
    expect(await second().stored.load(id)).to.deep.equal({ userId: null, data: { a: 1 } })
    expect(await second().authenticate(id)).to.equal(null)
    expect(await second().peek(id)).to.equal(null)
    expect(await second().saveData(id, { a: 2 })).to.equal('gone')
    expect(corrupt).to.deep.equal([])
  })

  it('signing out in place, or in as another, is true in the memory of every worker', async () => {
    const id = await signedIn()
    for (const worker of workers) expect((await worker.sessions.authenticate(id))?.user.id).to.equal(user)
    expect(await write(id, { userId: user }, null)).to.equal('saved')
    for (const worker of workers) expect(await worker.sessions.authenticate(id)).to.equal(null)
    expect(await write(id, { userId: null }, user)).to.equal('saved')
    for (const worker of workers) expect((await worker.sessions.authenticate(id))?.user.id).to.equal(user)
    expect(await write(id, { userId: user }, `${user}-too`)).to.equal('saved')
    for (const worker of workers) {
      expect((await worker.sessions.authenticate(id))?.user.id).to.equal(`${user}-too`)
    }
    expect(await first().list(user)).to.have.length(0)
    expect((await second().stored.load(id))?.data).to.deep.equal({ a: 1 })
  })

  it('one too many of a user ends the oldest, on every worker', async () => {
    const ids = [await signedIn(), await signedIn()]
    for (const id of ids) expect((await second().authenticate(id))?.user.id).to.equal(user)
    const third = await signedIn()
    expect(
      (await Promise.all([...ids, third].map((id) => second().authenticate(id)))).filter(Boolean),
    ).to.have.length(2)
    expect(await first().list(user)).to.have.length(2)
  })

  it('what another writer has changed in between is a session that is gone', async () => {
    const id = await signedIn()
    for (const was of [{ userId: null }, { userId: 'somebody' }]) {
      expect(await write(id, was, was.userId, { a: 2 })).to.equal('gone')
    }
    expect(await write(id, 'new', user)).to.equal('taken')
    expect((await first().stored.load(id))?.data).to.deep.equal({ a: 1 })
  })

  it('many that sign in at once with one id make one session', async () => {
    const id = newToken()
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => write(id, 'new', user)))
    expect(outcomes.filter((outcome) => outcome === 'saved')).to.have.length(1)
    expect(new Set(outcomes)).to.deep.equal(new Set(['saved', 'taken']))
  })

  it('a ticket from before a revocation is refused for that user, and good for others', async () => {
    const ticket = first().stored.ticket()
    await second().revokeUser(user)
    expect(await write(newToken(), 'new', user, {}, ticket)).to.equal('superseded')
    expect(await write(newToken(), 'new', `${user}-too`, {}, ticket)).to.equal('saved')
    expect(await write(newToken(), 'new', null, {}, ticket)).to.equal('saved')
    await eventually(async () => expect(await write(newToken(), 'new', user)).to.equal('saved'))
  })

  it('a first sign-in is not taken for a revocation by another one that began before it', async () => {
    const ticket = first().stored.ticket()
    await second().revokeUser('somebody-else')
    expect(await write(newToken(), 'new', user)).to.equal('saved')
    expect(await write(newToken(), 'new', user, {}, ticket)).to.equal('saved')
  })

  it('ending one that is not there is confirmed all the same, and its count says so', async () => {
    const id = await signedIn()
    expect(await first().stored.end(id)).to.deep.equal({ outcome: 'revoked', count: 1 })
    expect(await second().stored.end(id)).to.deep.equal({ outcome: 'gone' })
    const guest = newToken()
    await write(guest, 'new', null)
    expect(await first().stored.end(guest)).to.deep.equal({ outcome: 'revoked', count: 1 })
    expect(await first().stored.load(guest)).to.equal(null)
  })

  it('an id that can be no id is refused without asking Redis', async () => {
    const before = first().counters.loads
    for (const id of [
      '',
      'short',
      'ä'.repeat(20),
      'x'.repeat(257),
      'with a space in it',
      undefined as never,
    ]) {
      expect(await first().stored.load(id)).to.equal(null)
      expect(await first().stored.end(id)).to.deep.equal({ outcome: 'gone' })
      expect(await rejection(write(id, 'new', null))).to.be.instanceOf(TypeError)
    }
    expect(first().counters.loads).to.equal(before)
  })

  for (const [what, damage] of Object.entries<(key: string) => Promise<unknown>>({
    'of another type': async (key) => {
      await operator.del(key)
      await operator.set(key, 'text')
    },
    'without its deadline': (key) => operator.hdel(key, 'abs'),
    'whose deadline is no number': (key) => operator.hset(key, 'abs', 'soon'),
    'that lost its TTL': (key) => operator.persist(key),
    'with data that are no JSON': (key) => operator.hset(key, 'd:a', '{'),
  })) {
    it(`a guest's session ${what} is absent, and reported; and can be ended`, async () => {
      const id = newToken()
      await write(id, 'new', null, { a: 1 })
      const [key = ''] = await operator.keys(`*:g:${hashToken(id)}`)
      await damage(key)
      expect(await second().stored.load(id)).to.equal(null)
      expect(corrupt).to.deep.equal([hashToken(id)])
      expect((await second().stored.end(id)).outcome).to.not.equal('unconfirmed')
      expect(await operator.exists(key)).to.equal(0)
    })
  }

  it('ends when nobody uses it, and after its time whatever its use', async () => {
    const short = await startSessionWorker(redis.url, { idleMs: 400, absoluteMs: 1_200, domain: 'short' })
    const { stored } = short.sessions
    const ids = [newToken(), newToken()]
    const ticket = stored.ticket()
    await stored.write(ids[0]!, { was: 'new', userId: null, changes: {}, ticket })
    await stored.write(ids[1]!, { was: 'new', userId: user, changes: {}, ticket })
    const began = performance.now()
    let alive = true
    while (alive) {
      alive = (await Promise.all(ids.map((id) => stored.load(id)))).every((found) => found !== null)
      if (performance.now() - began > 10_000) throw new Error('it never ended')
    }
    const unused = newToken()
    await stored.write(unused, { was: 'new', userId: null, changes: {}, ticket })
    await eventually(async () => {
      expect(await operator.keys('{short}:[sg]:*'), 'nobody has asked for it').to.deep.equal([])
    })
    expect(await Promise.all([...ids, unused].map((id) => stored.load(id)))).to.deep.equal([null, null, null])
    await short.stop()
  })

  it('a Redis that lost what it had has lost these too, and tickets of before', async () => {
    const id = newToken()
    const fenced = await startSessionWorker(redis.url, { durability: 'fence', domain: 'fenced' })
    const { stored } = fenced.sessions
    const ticket = stored.ticket()
    await stored.write(id, { was: 'new', userId: null, changes: { a: 1 }, ticket })
    await fenced.sessions.endAll()
    expect(await stored.load(id)).to.equal(null)
    expect(await stored.write(newToken(), { was: 'new', userId: user, changes: {}, ticket })).to.equal(
      'superseded',
    )
    expect(await stored.write(newToken(), { was: 'new', userId: null, changes: {}, ticket })).to.equal(
      'superseded',
    )
    await fenced.stop()
  })
})
