import { expect } from 'chai'
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { coherenceKeys } from '../../shared/coherence/index.ts'
import { sessionKeys } from '../../shared/sessions/keys.ts'
import { createSessionScripts } from '../../shared/sessions/scripts.ts'
import { hashToken, newSessionId, newToken } from '../../shared/sessions/token.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { alice, signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'

describe('Tokens that somebody made up', () => {
  const afterwards = cleanUpAfterEach()
  const { tokenKey } = sessionKeys(coherenceKeys())

  async function setUp({ persistence = 'none' as 'none' | 'always' } = {}) {
    const redis = await startRedis({ persistence })
    afterwards(() => redis.stop())
    const operator = new Redis(redis.url)
    afterwards(() => operator.disconnect())
    operator.on('error', () => {})
    return { redis, operator }
  }

  async function join(redis: TestRedis, options: Parameters<typeof startSessionWorker>[1] = {}) {
    const worker = await startSessionWorker(redis.url, options)
    afterwards(() => worker.stop())
    await eventually(() => expect(worker.coherence.leaseOk()).to.equal(true))
    return worker
  }

  /** As long as ours, without a seal and with a wrong one. */
  const madeUp = () => [newToken(), newToken() + randomBytes(6).toString('base64url')]

  async function ask({ sessions }: TestWorker, token: string): Promise<string | undefined> {
    return (await sessions.authenticate(token))?.user.id
  }

  /** A session as an older version created it: its token has no seal. */
  async function signInAsBefore(operator: Redis): Promise<string> {
    const scripts = createSessionScripts(operator, {
      keys: coherenceKeys(),
      durability: 'keep',
      idleMs: 60_000,
      touchEveryMs: 6_000,
      longestMs: 600_000,
      maxPerUser: 20,
    })
    const token = newToken()
    const created = await scripts.create({
      hash: hashToken(token),
      sessionId: newSessionId(),
      ticket: await scripts.prepare(alice.id),
      subject: alice,
      device: {},
      remember: false,
      absoluteMs: 600_000,
      endOthers: false,
    })
    expect(created.outcome).to.equal('created')
    return token
  }

  it('are refused without asking Redis, and tell no worker anything', async () => {
    const { redis } = await setUp()
    const worker = await join(redis)
    const { loads } = worker.sessions.counters
    const { seq } = worker.coherence.position()
    for (const token of madeUp()) {
      expect(await ask(worker, token)).to.equal(undefined)
      expect(await worker.sessions.revoke(token)).to.deep.equal({ outcome: 'gone' })
      expect(await worker.sessions.peek(token)).to.equal(null)
    }
    expect(worker.sessions.counters.loads).to.equal(loads)
    expect(worker.coherence.position().seq).to.equal(seq)
  })

  it('are asked about by a worker that has no lease, and may not know the key', async () => {
    const { redis } = await setUp()
    const worker = await join(redis)
    const { token } = await signIn(worker)
    redis.freeze()
    try {
      await eventually(() => expect(worker.coherence.leaseOk()).to.equal(false))
      for (const made of [...madeUp(), token]) {
        const failure = await Promise.resolve(worker.sessions.authenticate(made)).catch(
          (cause: unknown) => cause,
        )
        expect(failure).to.have.property('status', 503)
      }
    } finally {
      redis.thaw()
    }
  }).timeout(30_000)

  it('differ from ours, which every worker knows, whatever is proposed to Redis afterwards', async () => {
    const { redis } = await setUp()
    const first = await join(redis)
    const second = await join(redis, { tokenKey: 'z'.repeat(43) })
    const [one, two] = [await signIn(first), await signIn(second)]
    for (const worker of [first, second])
      for (const { token } of [one, two]) {
        expect(token).to.match(/^[\w-]{51}$/)
        expect(await ask(worker, token)).to.equal('alice')
      }
    const rotated = await second.sessions.rotateAndRevokeOthers(alice.id, one.token)
    if (rotated.outcome !== 'rotated') throw new Error(rotated.outcome)
    expect(await ask(first, rotated.token)).to.equal('alice')
  })

  it('differ from those of an older version, which go on until their epoch ends', async () => {
    const { redis, operator } = await setUp({ persistence: 'always' })
    const old = await signInAsBefore(operator)
    await operator.hdel(coherenceKeys().domain, 'sealed')
    const first = await join(redis)
    expect(await ask(first, old)).to.equal('alice')

    await redis.kill('SIGKILL')
    await redis.restart()
    await eventually(async () => expect(await ask(first, old)).to.equal('alice'), 10_000)
    const second = await join(redis)
    expect(await ask(second, old)).to.equal('alice')
    expect((await second.sessions.revoke(old)).outcome).to.equal('revoked')

    await second.sessions.endAll()
    await eventually(async () => {
      const { loads } = second.sessions.counters
      expect(await ask(second, newToken())).to.equal(undefined)
      expect(second.sessions.counters.loads, 'by now no session has such a token').to.equal(loads)
    })
  }).timeout(30_000)

  it('are told from ours by the same key after Redis has lost everything', async () => {
    const { redis, operator } = await setUp()
    const founder = await startSessionWorker(redis.url, { tokenKey: 'f'.repeat(43) })
    const workers = [await join(redis), await join(redis)] as const
    await founder.stop()
    const key = await operator.get(tokenKey)
    for (let round = 0; round < 5; round++) {
      await operator.flushall()
      // At once, whoever has noticed: no token may be refused falsely.
      const { token } = await eventually(() => signIn(workers[0]))
      for (const worker of workers) expect(await ask(worker, token)).to.equal('alice')
      await eventually(async () => expect(await operator.get(tokenKey)).to.equal(key))
    }
    const late = await join(redis, { tokenKey: 'z'.repeat(43) })
    expect(await ask(late, (await signIn(late)).token)).to.equal('alice')
    expect(await operator.get(tokenKey)).to.equal(key)
  }).timeout(30_000)

  it('are told from ours by a key that the first worker makes, after the longest lease', async () => {
    const { redis, operator } = await setUp()
    const first = await join(redis, { tokenKey: undefined })
    expect(await operator.get(tokenKey)).to.equal(null)
    const made = madeUp()[1]!
    const { loads } = first.sessions.counters
    expect(await ask(first, made)).to.equal(undefined)
    expect(first.sessions.counters.loads, 'nobody could tell yet').to.equal(loads + 1)
    const { token } = await signIn(first)
    expect(token).to.match(/^[\w-]{51}$/)
    const key = await operator.get(tokenKey)
    const second = await join(redis, { tokenKey: undefined })
    expect(await ask(second, token)).to.equal('alice')
    expect(await ask(first, (await signIn(second)).token)).to.equal('alice')
    expect(await operator.get(tokenKey)).to.equal(key)
  }).timeout(30_000)
})
