import { expect } from 'chai'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { alice, signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'

describe('A password change whose own session has ended meanwhile', () => {
  let redis: TestRedis
  let worker: TestWorker

  before(async () => {
    redis = await startRedis()
    worker = await startSessionWorker(redis.url)
  })

  after(async () => {
    await worker.stop()
    await redis.stop()
  })

  it('still ends every other session', async () => {
    const own = await signIn(worker)
    const other = await signIn(worker)
    await worker.sessions.revoke(own.token)

    const rotated = await worker.sessions.rotateAndRevokeOthers(alice.id, own.token)
    expect(rotated).to.include({ outcome: 'gone' })
    expect(await worker.sessions.authenticate(other.token)).to.equal(null)
  })

  it('does not carry on a session of somebody else', async () => {
    const bob = await signIn(worker, { ...alice, id: 'bob' })
    const rotated = await worker.sessions.rotateAndRevokeOthers(alice.id, bob.token)
    expect(rotated).to.include({ outcome: 'gone' })
    expect(await worker.sessions.authenticate(bob.token)).not.to.equal(null)
  })
})
