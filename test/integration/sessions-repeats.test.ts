import { expect } from 'chai'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { coherenceKeys, createCoherenceScripts } from '../../shared/coherence/index.ts'
import { sessionKeys } from '../../shared/sessions/keys.ts'
import { createSessionScripts } from '../../shared/sessions/scripts.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { alice, signIn, startSessionWorker, type TestWorker } from '../support/sessions.ts'

describe('What reaches Redis a second time, or late', () => {
  let redis: TestRedis
  let worker: TestWorker
  let connection: ReturnType<typeof openRedis>
  let scripts: ReturnType<typeof createSessionScripts>

  before(async () => {
    redis = await startRedis()
    worker = await startSessionWorker(redis.url)
    connection = openRedis({ kind: 'single', url: redis.url }, 'commands')
    scripts = createSessionScripts(connection, {
      keys: coherenceKeys(),
      durability: 'keep',
      idleMs: 60_000,
      touchEveryMs: 6_000,
      longestMs: 600_000,
      maxPerUser: 20,
    })
  })

  after(async () => {
    connection.disconnect()
    await worker.stop()
    await redis.stop()
  })

  it('a repeated logout of all spares a login in between, and leaves it where it can be ended', async () => {
    await scripts.revokeUser(alice.id, 'generation')
    const { identity } = await signIn(worker)
    await scripts.revokeUser(alice.id, 'generation')

    const listed = await worker.sessions.list(alice.id)
    expect(listed.map(({ id }) => id)).to.deep.equal([identity.session.id])
    const ended = await worker.sessions.revokeById(alice.id, identity.session.id)
    expect(ended).to.include({ outcome: 'revoked', count: 1 })
  })

  it('a late duplicate of a logout of all revives nothing that ended since', async () => {
    await scripts.revokeUser(alice.id, 'held back in the network')
    const { token } = await signIn(worker)
    expect((await worker.sessions.revokeUser(alice.id)).outcome).to.equal('revoked')
    await scripts.revokeUser(alice.id, 'held back in the network')
    expect(await worker.sessions.authenticate(token)).to.equal(null)
  })

  it('a late duplicate of a disabling revives nothing that ended since', async () => {
    await scripts.updateSubject({ ...alice, version: 2 }, true, 'held back in the network')
    await scripts.updateSubject({ ...alice, version: 3 }, false, 'enabled')
    const { token } = await signIn(worker, { ...alice, version: 3 })
    expect((await worker.sessions.revokeUser(alice.id)).outcome).to.equal('revoked')
    const late = await scripts.updateSubject({ ...alice, version: 2 }, true, 'held back in the network')
    expect(late.knownVersion, 'it was not taken').to.equal(3)
    expect(await worker.sessions.authenticate(token)).to.equal(null)
  })

  it('a renewal that was given up and executes late does not hide the lease of a newer one', async () => {
    const member = { id: 'w1', inc: 'any', applied: 0, settled: false }
    const scripts = createCoherenceScripts(connection, { keys: coherenceKeys(), durability: 'keep' })
    await scripts.sync({ ...member, order: 2, leaseMs: 1_000 })
    await scripts.sync({ ...member, order: 1, leaseMs: 0 })

    const { members } = await scripts.acks(['w1'])
    expect(members.find(({ id }) => id === 'w1')).to.include({ leaseMs: 1_000 })
  })

  it('a logout of all does not fail on an index that is none', async () => {
    const { token } = await signIn(worker)
    await connection.set(sessionKeys(coherenceKeys()).index(alice.id), 'no index')
    const ended = await worker.sessions.revokeUser(alice.id)
    expect(ended.outcome).not.to.equal('unconfirmed')
    expect(await worker.sessions.authenticate(token)).to.equal(null)
  })
})
