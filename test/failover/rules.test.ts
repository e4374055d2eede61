import { expect } from 'chai'
import { Unavailable } from '../../shared/kernel/errors.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { signIn, type TestWorker } from '../support/sessions.ts'
import { promote, startThreeNodes, startWorkerAt } from './three-nodes.ts'

describe('Mode failover', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  async function threeNodes() {
    const set = await startThreeNodes()
    cleanUp(set.stop)
    const [P, A, B] = set.nodes
    return { P, A, B, cut: set.cut }
  }

  async function workerAt(...args: Parameters<typeof startWorkerAt>): Promise<TestWorker> {
    const worker = await startWorkerAt(...args)
    cleanUp(worker.stop)
    return worker
  }

  async function verdict(
    { sessions }: TestWorker,
    token: string,
  ): Promise<'accepted' | 'refused' | 'unavailable'> {
    try {
      return (await sessions.authenticate(token)) ? 'accepted' : 'refused'
    } catch (cause) {
      if (cause instanceof Unavailable) return 'unavailable'
      throw cause
    }
  }

  /** The nodes that follow have been noted, which happens soon after a worker has joined. */
  async function noted(primary: {
    command(name: string, ...args: string[]): Promise<unknown>
  }): Promise<void> {
    await eventually(async () => {
      const nodes = String(await primary.command('HGET', '{sx}:c', 'nodes'))
      expect(nodes.split(',').filter(Boolean)).to.have.length(2)
    })
  }

  it('carries sessions over to the replica that is promoted', async () => {
    const { P, A, B } = await threeNodes()
    const { token } = await signIn(await workerAt(P))
    await noted(P)
    await P.kill()
    await promote(A, [B])
    const worker = await workerAt(A)
    await eventually(async () => expect(await verdict(worker, token)).to.equal('accepted'))
    expect(await worker.sessions.revoke(token)).to.deep.equal({ outcome: 'revoked', count: 1 })
    expect(await verdict(worker, token)).to.equal('refused')
  })

  it('grants no lease, and believes no load, at a primary that was replaced without noticing it (L, M)', async () => {
    const { P, A, B } = await threeNodes()
    const old = await workerAt(P)
    const { token } = await signIn(old)
    await noted(P)
    await promote(A, [B])
    const fresh = await workerAt(A)
    await eventually(async () => expect(await verdict(fresh, token)).to.equal('accepted'))
    expect(await fresh.sessions.revoke(token)).to.deep.equal({ outcome: 'revoked', count: 1 })
    expect(await verdict(old, token)).to.equal('unavailable')
  })

  it('confirms no logout that only the primary has (R)', async () => {
    const { P, A, B, cut } = await threeNodes()
    const old = await workerAt(P)
    const { token } = await signIn(old)
    await noted(P)
    cut([P], [A, B])
    expect((await old.sessions.revoke(token)).outcome).to.equal('unconfirmed')
  })

  it('confirms no logout at a promoted node while leases of the old primary may be held (I)', async () => {
    const { P, A, B } = await threeNodes()
    const old = await workerAt(P, { leaseMs: 2_000 })
    const { token } = await signIn(old)
    await noted(P)
    expect(await verdict(old, token)).to.equal('accepted')
    await promote(A, [B])
    const fresh = await workerAt(A)
    await eventually(async () => expect(await verdict(fresh, token)).to.equal('accepted'))
    expect((await fresh.sessions.revoke(token)).outcome).to.equal('revoked')
    expect(await verdict(old, token)).to.equal('unavailable')
  })

  it('signs everybody out when a replica is promoted that lacks what was confirmed (E)', async () => {
    const { P, A, B, cut } = await threeNodes()
    const old = await workerAt(P)
    const { token } = await signIn(old)
    const other = await signIn(old)
    await noted(P)
    cut([P], [B])
    expect(await old.sessions.revoke(token)).to.deep.equal({ outcome: 'revoked', count: 1 })
    await P.kill()
    await promote(B, [A])
    const fresh = await workerAt(B)
    const seen = new Set<string>()
    await eventually(async () => {
      seen.add(await verdict(fresh, token))
      expect(await verdict(fresh, other.token)).to.equal('refused')
    })
    expect([...seen].sort()).to.deep.equal(['refused', 'unavailable'])
    expect(await verdict(fresh, token)).to.equal('refused')
    expect(await verdict(fresh, (await signIn(fresh)).token)).to.equal('accepted')
  })
})
