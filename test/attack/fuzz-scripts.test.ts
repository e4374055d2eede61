import { expect } from 'chai'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { remoteSessions } from '../../shared/session-cache/index.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { alice, signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'
import { effort, hostileTexts, long } from './effort.ts'

/** Whatever reaches the scripts in Redis as an argument is data to them. */
describe('Fuzzing the scripts in Redis', function () {
  this.timeout(long ? 600_000 : 60_000)
  let redis: TestRedis
  let operator: Redis
  let worker: TestWorker

  before(async () => {
    redis = await startRedis()
    operator = new Redis(redis.url)
    worker = await startSessionWorker(redis.url, { cache: 'redis' })
  })
  after(async () => {
    await worker?.stop()
    operator?.disconnect()
    await redis?.stop()
  })

  const text = fc.oneof(
    fc.constantFrom(...hostileTexts),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('d:a', 'uid', 'abs', '{sx}:d', '*', '-inf', '(', 'nan', '0x10', '1 ', ' 1'),
  )
  /** Without half a character, which UTF-8 can't hold. */
  const isWhole = (value: string) => Buffer.from(value).toString() === value

  /** Fails when a script itself broke; what we throw ourselves is an answer. */
  async function survives<T>(asking: Promise<T>): Promise<T | null> {
    try {
      return await asking
    } catch (fault) {
      for (let cause: unknown = fault; cause instanceof Error; cause = cause.cause) {
        expect(cause.name, cause.message).to.not.equal('ReplyError')
        expect(cause.message).to.not.match(/user_script|ERR |WRONGTYPE/)
      }
      return null
    }
  }

  it('the data of a session comes back as it was written, whatever its names and values', async () => {
    const { token } = await signIn(worker, { ...alice, id: 'data' })
    const name = text.filter(
      (each) => isWhole(each) && each !== '' && each !== '__proto__' && each.length < 200,
    )
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 }), async (fields) => {
        const kept = Object.entries(fields).filter(([, value]) => value !== null)
        const saved = await survives(worker.sessions.saveData(token, fields))
        if (saved !== 'saved') return
        const loaded = await worker.sessions.loadData(token)
        for (const [field, value] of kept) {
          expect(loaded?.data[field], field).to.deep.equal(JSON.parse(JSON.stringify(value)))
        }
        const away = Object.fromEntries(Object.keys(fields).map((field) => [field, null]))
        expect(await worker.sessions.saveData(token, away)).to.equal('saved')
        expect((await worker.sessions.loadData(token))?.data).to.deep.equal({})
      }),
      effort(150),
    )
  })

  it('a login is that of the user it names, whatever stands in the user and the device', async () => {
    let count = 0
    await fc.assert(
      fc.asyncProperty(
        text,
        text,
        text,
        fc.array(text, { maxLength: 3 }),
        async (label, agent, odd, roles) => {
          const subject = { ...alice, id: `${odd.slice(0, 40)}${count++}`, roles, profile: { odd } }
          const ticket = await survives(worker.sessions.prepareLogin(subject.id))
          if (ticket === null) return
          const device = { label, userAgent: agent, ip: odd }
          const created = await survives(worker.sessions.create(ticket, { subject, device }))
          if (created === null || created.outcome !== 'created') return
          const identity = await worker.sessions.authenticate(created.token)
          if (identity !== null && isWhole(odd)) {
            expect(identity.user.id).to.equal(subject.id)
            if (roles.every(isWhole)) expect(identity.user.roles).to.deep.equal(roles)
          }
          expect((await worker.sessions.revokeUser(subject.id)).outcome).to.equal('revoked')
          expect(await worker.sessions.authenticate(created.token)).to.equal(null)
        },
      ),
      effort(100),
    )
  })

  it('a session of a store is whose it says, has the data that it was given, and ends', async () => {
    const { stored } = worker.sessions
    const name = text.filter((each) => isWhole(each) && each !== '__proto__' && each.length < 200)
    let count = 0
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 5 }),
        fc.option(text),
        text,
        async (fields, odd, agent) => {
          const id = `fuzzed-${count++}-${'x'.repeat(20)}`
          const userId = odd === null ? null : `${odd.slice(0, 40)}${count}`
          const changes = JSON.parse(JSON.stringify(fields)) as Record<string, unknown>
          const device = { userAgent: agent, ip: agent }
          const ticket = stored.ticket()
          const written = await survives(stored.write(id, { was: 'new', userId, changes, ticket, device }))
          if (written !== 'saved') return
          const found = await stored.load(id)
          expect(found?.data).to.deep.equal(changes)
          if (userId === null || isWhole(userId)) expect(found?.userId).to.equal(userId)
          expect((await stored.end(id)).outcome).to.equal('revoked')
          expect(await stored.load(id)).to.equal(null)
        },
      ),
      effort(100),
    )
  })

  it('a session of another service is whose it says, and ends, whatever its token and data', async () => {
    const remote = remoteSessions({
      name: 'fuzzed',
      app: null,
      redis: redis.url,
      validate: async () => null,
      revoke: async () => {},
      cacheMs: 60_000,
      whenAway: 'refuse',
      tokenForm: /^[^]{1,500}$/,
    })
    await remote.start()
    let count = 0
    try {
      await fc.assert(
        fc.asyncProperty(
          text.filter(isWhole),
          text.filter((each) => isWhole(each) && each !== ''),
          fc.jsonValue({ maxDepth: 3 }),
          async (odd, user, value) => {
            const [token, userId] = [`${count++}${odd}`, user.slice(0, 200)]
            const data = JSON.parse(JSON.stringify(value)) as unknown
            const set = await survives(remote.set(token, { userId, expiresAt: null, data }))
            if (set !== 'kept') return
            expect(await remote.get(token)).to.deep.equal({ userId, expiresAt: null, data })
            await (count % 2 ? remote.revoke(token) : remote.invalidateByUser(userId))
            expect(await remote.get(token)).to.equal(null)
          },
        ),
        effort(60),
      )
    } finally {
      await remote.stop(performance.now() + 1_000)
    }
  })

  it('a token, an id and a user that nobody gave out prove nothing and end nobody', async () => {
    const { token } = await signIn(worker, { ...alice, id: 'bystander' })
    await fc.assert(
      fc.asyncProperty(text, text, async (one, other) => {
        expect(await survives(Promise.resolve(worker.sessions.authenticate(one)))).to.equal(null)
        await survives(worker.sessions.revoke(one))
        await survives(worker.sessions.revokeById(one, other))
        await survives(worker.sessions.revokeById('bystander', other))
        await survives(worker.sessions.list(one))
        if (one !== 'bystander') await survives(worker.sessions.revokeUser(one))
      }),
      effort(100),
    )
    expect((await worker.sessions.authenticate(token))?.user.id).to.equal('bystander')
    expect(await operator.ping()).to.equal('PONG')
  })
})
