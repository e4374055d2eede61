import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { Unavailable } from '../../shared/kernel/errors.ts'
import type { DurabilityMode } from '../../shared/coherence/index.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'

describe('sessions when Redis loses or keeps its data', () => {
  let redis: TestRedis
  let workers: TestWorker[]

  async function setUp(durability: DurabilityMode) {
    redis = await startRedis({ persistence: 'always' })
    workers = await Promise.all([1, 2].map(() => startSessionWorker(redis.url, { durability })))
  }
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.stop()))
    await redis.stop()
  })

  /** What each worker answers once it can answer. */
  const everywhere = (token: string) =>
    eventually(
      () => Promise.all(workers.map(async ({ sessions }) => (await sessions.authenticate(token))?.user.id)),
      10_000,
    )

  it('Redis killed and restarted keeps sessions in keep mode', async () => {
    await setUp('keep')
    const { token } = await signIn(workers[0]!)
    await redis.kill('SIGKILL')
    await redis.restart()
    expect(await everywhere(token)).to.deep.equal(['alice', 'alice'])
  })

  it('Redis killed and restarted signs everyone out in fence mode', async () => {
    await setUp('fence')
    const { token } = await signIn(workers[0]!)
    await redis.kill('SIGKILL')
    await redis.restart()
    expect(await everywhere(token)).to.deep.equal([undefined, undefined])
    const again = await signIn(workers[1]!)
    expect(await everywhere(again.token)).to.deep.equal(['alice', 'alice'])
  })

  it('a rolled-back Redis revives no revoked session in fence mode', async () => {
    await setUp('fence')
    const { token } = await signIn(workers[0]!)
    const backup = await mkdtemp(join(tmpdir(), 'lockstep-backup-'))
    await cp(join(redis.dir, 'appendonlydir'), backup, { recursive: true })
    expect((await workers[1]!.sessions.revoke(token)).outcome).to.equal('revoked')
    await redis.kill('SIGKILL')
    await rm(join(redis.dir, 'appendonlydir'), { recursive: true })
    await cp(backup, join(redis.dir, 'appendonlydir'), { recursive: true })
    await rm(backup, { recursive: true })
    await redis.restart()
    const probe = new Redis(redis.url)
    expect(await probe.keys('{sx}:s:*'), 'the old data is really there').to.have.length(1)
    probe.disconnect()
    expect(await everywhere(token)).to.deep.equal([undefined, undefined])
  })

  it('a flushed Redis ends all sessions, and goes on', async () => {
    await setUp('keep')
    const { token } = await signIn(workers[0]!)
    await everywhere(token)
    const operator = new Redis(redis.url)
    await operator.flushall()
    operator.disconnect()
    // Until their leases are renewed the workers may still serve it: nobody revoked it.
    await eventually(async () => expect(await everywhere(token)).to.deep.equal([undefined, undefined]))
    const again = await signIn(workers[0]!)
    expect(await everywhere(again.token)).to.deep.equal(['alice', 'alice'])
    expect((await workers[0]!.sessions.revoke(again.token)).outcome).to.equal('revoked')
    expect(await everywhere(again.token)).to.deep.equal([undefined, undefined])
  })

  it('ending all sessions on purpose ends them in keep mode too', async () => {
    await setUp('keep')
    const { token } = await signIn(workers[0]!)
    await workers[0]!.sessions.endAll()
    await eventually(async () => expect(await everywhere(token)).to.deep.equal([undefined, undefined]))
  })

  it('a frozen Redis is an outage within a bounded wait, never a missing session', async () => {
    await setUp('keep')
    const { token } = await signIn(workers[0]!)
    redis.freeze()
    try {
      for (const { sessions } of workers) {
        // The lease lets a worker answer from memory for a moment; after that it must say that it can't know.
        await eventually(async () => {
          const answer = await Promise.resolve(sessions.authenticate(token)).catch(
            (failure: unknown) => failure,
          )
          expect(answer).not.to.equal(null)
          expect(answer).to.be.instanceOf(Unavailable)
        })
      }
      expect((await workers[0]!.sessions.revoke(token)).outcome).to.equal('unconfirmed')
    } finally {
      redis.thaw()
    }
    // Asking again finishes the job.
    expect((await workers[0]!.sessions.revoke(token)).outcome).to.be.oneOf(['revoked', 'gone'])
    expect(await everywhere(token)).to.deep.equal([undefined, undefined])
  }).timeout(40_000)
})
