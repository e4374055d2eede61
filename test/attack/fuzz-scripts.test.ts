import { expect } from 'chai'
import fc from 'fast-check'
import { Redis } from 'ioredis'
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
