import { expect } from 'chai'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { startCluster } from '../support/cluster.ts'
import { ask } from '../support/control.ts'
import { eventually } from '../support/eventually.ts'

describe('the number of workers', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  it('grows by SIGTTIN and shrinks by SIGTTOU, but one web worker stays', async () => {
    const cluster = await startCluster({ workers: 1 })
    cleanUp(() => cluster.stop())
    async function expectWorkers(...ids: string[]): Promise<void> {
      await eventually(async () => {
        const { result } = await ask(cluster.dataDir, { command: 'status' })
        expect(result.workers.map(({ id }: { id: string }) => id)).to.deep.equal(ids)
      }, 15_000)
    }

    cluster.signal('SIGTTIN')
    await expectWorkers('web-1', 'web-2')
    cluster.signal('SIGTTOU')
    await expectWorkers('web-1')
    cluster.signal('SIGTTOU')
    const carriedOut = () => cluster.logged().filter(({ msg }) => msg === 'a command is carried out')
    await eventually(() => expect(carriedOut()).to.have.length(3))
    expect(await ask(cluster.dataDir, { command: 'scale', web: 2, wait: true })).to.deep.include({ ok: true })
    await expectWorkers('web-1', 'web-2')
  })

  it('changes, and status lists the workers in the order of their slots, whoever was started last', async () => {
    const cluster = await startCluster({ workers: 1, jobWorkers: 1 })
    cleanUp(() => cluster.stop())
    const scaled = await ask(cluster.dataDir, { command: 'scale', web: 3, jobs: 2, wait: true })
    expect(scaled).to.include({ ok: true })
    const { result } = await ask(cluster.dataDir, { command: 'status' })
    expect(result.workers.map(({ id }: { id: string }) => id)).to.deep.equal([
      'web-1',
      'web-2',
      'web-3',
      'jobs-1',
      'jobs-2',
    ])
  })

  it('stays one where sessions are kept in the memory of one process', async () => {
    const cluster = await startCluster({ workers: 1, env: { SESSION_CACHE: 'memory' } })
    cleanUp(() => cluster.stop())
    const answer = await ask(cluster.dataDir, { command: 'scale', web: 2 })
    expect(answer).to.deep.include({ ok: false, code: 'not-allowed' })
    expect(answer.message).to.contain('would live on in worker B')
  })
})
