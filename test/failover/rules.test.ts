import { expect } from 'chai'
import { hashToken } from '../../shared/sessions/token.ts'
import { Unavailable } from '../../shared/kernel/errors.ts'
import type { RedisNode } from '../support/redis-topology.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { signIn, type TestWorker } from '../support/sessions.ts'
import type { Rule } from './flawed-coherence.ts'
import { promote, startThreeNodes, startWorkerAt, type WorkerOptions } from './three-nodes.ts'

type Verdict = 'accepted' | 'refused' | 'unavailable'

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

  async function verdict({ sessions }: TestWorker, token: string): Promise<Verdict> {
    try {
      return (await sessions.authenticate(token)) ? 'accepted' : 'refused'
    } catch (cause) {
      if (cause instanceof Unavailable) return 'unavailable'
      throw cause
    }
  }

  /** Which nodes follow has been noted, and each of them knows: soon after a worker has joined. */
  async function noted(nodes: readonly RedisNode[]): Promise<void> {
    await eventually(async () => {
      for (const node of nodes) {
        const listed = String(await node.command('HGET', '{sx}:c', 'nodes'))
        expect(listed.split(',').filter(Boolean)).to.have.length(2)
      }
    })
  }

  it('carries sessions over to the replica that is promoted', async () => {
    const { P, A, B, cut } = await threeNodes()
    const { token } = await signIn(await workerAt(P))
    await noted([P, A, B])
    cut([P], [B])
    await P.kill()
    await promote(A, [B])
    const worker = await workerAt(A)
    await eventually(async () => expect(await verdict(worker, token)).to.equal('accepted'))
    expect(await worker.sessions.revoke(token)).to.include({ outcome: 'revoked', count: 1 })
    expect(await verdict(worker, token)).to.equal('refused')
  })

  /**
   * Two primaries at once: somebody signed in at the old one, which does not notice, and is logged out at the new one.
   * What the worker at the old one answers then.
   */
  async function logOutBehindItsBack(old: WorkerOptions, fresh: WorkerOptions = {}): Promise<Verdict> {
    const { P, A, B, cut } = await threeNodes()
    const left = await workerAt(P, old)
    const { token } = await signIn(left)
    await noted([P, A, B])
    expect(await verdict(left, token)).to.equal('accepted')
    // What B heard after A was promoted, A would lack.
    cut([P], [B])
    await promote(A, [B])
    const right = await workerAt(A, fresh)
    await eventually(async () => expect(await verdict(right, token)).to.equal('accepted'))
    expect((await right.sessions.revoke(token)).outcome).to.equal('revoked')
    return verdict(left, token)
  }

  /** Somebody signs in, the primary is cut off from its replicas, and the logout has but the primary to go to. */
  async function logOutAtAPrimaryAlone(without: Rule | null): Promise<string> {
    const { P, A, B, cut } = await threeNodes()
    const worker = await workerAt(P, { without })
    const { token } = await signIn(worker)
    await noted([P, A, B])
    cut([P], [A, B])
    return (await worker.sessions.revoke(token)).outcome
  }

  /** A replica is promoted that lacks a logout which the other replica has confirmed. Who is signed in there? */
  async function promoteALaggard(without: Rule | null) {
    const { P, A, B, cut } = await threeNodes()
    const old = await workerAt(P, { without })
    const { token } = await signIn(old)
    const other = await signIn(old)
    if (without === null) await noted([P, A, B])
    // The sign-in was confirmed by A, and would be lost with it.
    const session = `{sx}:s:${hashToken(other.token)}`
    await eventually(async () => expect(await B.command('EXISTS', session)).to.equal(1))
    cut([P], [B])
    expect(await old.sessions.revoke(token)).to.include({ outcome: 'revoked', count: 1 })
    await P.kill()
    await promote(B, [A])
    const fresh = await workerAt(B, { without })
    const seen = new Set<Verdict>()
    await eventually(async () => {
      seen.add(await verdict(fresh, token))
      expect(await verdict(fresh, other.token)).not.to.equal('unavailable')
    })
    seen.add(await verdict(fresh, token))
    return { seen, fresh, other }
  }

  it('grants no lease, and believes no answer, at a primary that was replaced without noticing it', async () => {
    expect(await logOutBehindItsBack({})).to.equal('unavailable')
  })

  it('confirms no logout at a promoted node while leases of the old primary may be held', async () => {
    expect(await logOutBehindItsBack({ leaseMs: 2_000 })).to.equal('unavailable')
  })

  it('confirms no logout that only the primary has', async () => {
    expect(await logOutAtAPrimaryAlone(null)).to.equal('unconfirmed')
  })

  it('revives nobody with a replica that is promoted without a confirmed logout, and signs everybody out', async () => {
    const { seen, fresh, other } = await promoteALaggard(null)
    expect([...seen]).not.to.include('accepted')
    expect(await verdict(fresh, other.token)).to.equal('refused')
    expect(await verdict(fresh, (await signIn(fresh)).token)).to.equal('accepted')
  })

  it('does not let a node go on that restarted from an older file', async () => {
    const { P, A, B, cut } = await threeNodes()
    const old = await workerAt(P)
    const { token } = await signIn(old)
    await noted([P, A, B])
    await eventually(async () => expect(await B.command('EXISTS', '{sx}:u:alice')).to.equal(1))
    await B.command('SAVE')
    cut([P], [A])
    // Only B can have confirmed this; then it comes back with what it had saved, and the others had no more.
    expect(await old.sessions.revoke(token)).to.include({ outcome: 'revoked', count: 1 })
    await P.kill()
    await B.kill()
    await B.restart()
    expect(await B.command('EXISTS', '{sx}:u:alice')).to.equal(1)
    await promote(B, [A])
    const fresh = await workerAt(B)
    await eventually(async () => expect(await verdict(fresh, token)).to.equal('refused'))
  })

  describe('without one of its rules', () => {
    for (const rule of ['L', 'M'] as const) {
      it(`${rule}: a worker at the old primary accepts what was logged out at the new one`, async () => {
        expect(await logOutBehindItsBack({ without: rule })).to.equal('accepted')
      })
    }

    it('R: a logout is confirmed that nobody but the primary has', async () => {
      expect(await logOutAtAPrimaryAlone('R')).to.equal('revoked')
    })

    it('I: a logout is confirmed while a worker still holds a lease of the old primary', async () => {
      await eventually(async () => {
        expect(await logOutBehindItsBack({ leaseMs: 2_000 }, { without: 'I' })).to.equal('accepted')
      }, 45_000)
    })

    it('E: a logged-out session comes back with the replica that is promoted, as in keep', async () => {
      await eventually(async () => {
        const { seen } = await promoteALaggard('E')
        expect([...seen]).to.include('accepted')
      }, 45_000)
    })
  })
})
