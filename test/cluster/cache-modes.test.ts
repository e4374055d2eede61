import { expect } from 'chai'
import { admin, refusedStart, startCluster, withoutLimits } from '../support/cluster.ts'
import { onEveryWorker, signIn } from '../support/http.ts'
import { verdicts } from '../support/users.ts'

describe('SESSION_CACHE', function () {
  this.timeout(30_000)

  for (const [mode, workers] of [
    ['redis', 2],
    ['none', 2],
    ['memory', 1],
  ] as const) {
    it(`=${mode} does the main job: every worker knows who signed in, and refuses who logged out`, async () => {
      const cluster = await startCluster({ workers, env: { ...withoutLimits, SESSION_CACHE: mode } })
      try {
        const [person, other] = [await signIn(cluster.url, admin), await signIn(cluster.url, admin)]
        const all = (status: number) => Array.from({ length: workers }, () => status)
        for (let time = 0; time < 2; time++) expect(await verdicts(cluster, person)).to.deep.equal(all(200))
        await person.send('/api/v1/session', { method: 'PATCH', body: { cart: [1] } })
        const data = await onEveryWorker(workers, () => person.send('/api/v1/session'))
        for (const answer of data.values()) expect(answer.json()).to.deep.equal({ data: { cart: [1] } })

        expect((await person.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
        expect(await verdicts(cluster, person)).to.deep.equal(all(401))
        expect(await verdicts(cluster, other)).to.deep.equal(all(200))
        const ended = await other.send('/api/v1/auth/logout-all', { method: 'POST' })
        expect(ended.json()).to.deep.equal({ revoked: 1 })
        expect(await verdicts(cluster, other)).to.deep.equal(all(401))
      } finally {
        await cluster.stop()
      }
    })
  }

  it('=memory is refused with two workers, and told what would go wrong', async () => {
    const { code, output } = await refusedStart({ workers: 2, env: { SESSION_CACHE: 'memory' } })
    expect(code).to.equal(78)
    expect(output).to.contain('a session logged out on worker A would live on in worker B')
    expect(output).to.contain('SESSION_CACHE=coherent').and.contain('WORKERS=1')
    expect(output).to.not.contain('Redis')
  })
})
