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

  it('a logout of a session that is gone is announced all the same: the first may not have been confirmed', async () => {
    const first = await scripts.revokeSession('gone long ago')
    const second = await scripts.revokeSession('gone long ago')
    expect([first.count, second.count]).to.deep.equal([0, 0])
    expect(second.seq).to.equal(first.seq + 1)
  })

  it('a member that was heard of since is not expelled', async () => {
    const { seq, inc } = await scripts.announceUser('nobody')
    const domain = createCoherenceScripts(connection, { keys: coherenceKeys(), durability: 'keep' })
    const sync = (order: number) =>
      domain.sync({ id: 'host:1:x', inc, applied: seq, leaseMs: 1_000, settled: false, order })
    await sync(1)
    const seen = (await domain.acks(['host:1:x'])).members[0]!
    await sync(2)
    await domain.expel(inc, seen)
    const now = (await domain.acks(['host:1:x'])).members
    expect(now, 'it holds a lease again').to.have.length(1)
    await domain.expel('another incarnation', now[0]!)
    expect((await domain.acks(['host:1:x'])).members).to.have.length(1)
    await domain.expel(inc, now[0]!)
    expect((await domain.acks(['host:1:x'])).members).to.have.length(0)
  })

  it('a login that began before another incarnation of Redis creates nothing in it', async () => {
    const ticket = await worker.sessions.prepareLogin(alice.id)
    const domain = createCoherenceScripts(connection, { keys: coherenceKeys(), durability: 'keep' })
    await domain.fence()
    const created = await worker.sessions.create(ticket, { subject: alice })
    expect(created.outcome).to.equal('superseded')
  })
})
