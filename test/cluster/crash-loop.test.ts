import { expect } from 'chai'
import { copyBuild } from '../support/built-copy.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { startCluster } from '../support/cluster.ts'
import { ask } from '../support/control.ts'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/http.ts'

describe('a worker that always crashes at its start', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  it('is started again after longer and longer pauses, and is back soon after a reload that mends it', async () => {
    const build = await copyBuild()
    cleanUp(() => build.remove())
    const cluster = await startCluster({ workers: 2, mainPath: build.mainPath })
    cleanUp(() => cluster.stop())
    await build.replace('server/web/worker.js', 'throw new Error("no such column: tier")')
    cluster.signalWorker(2, 'SIGKILL')

    const failures = () => cluster.logged().filter(({ msg }) => msg === 'worker did not start')
    await eventually(() => expect(failures()).to.have.length(5), 30_000)
    const times = failures().map(({ time }) => Date.parse(time))
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    // Each pause is at least half of what doubling gives: 100, 200, 400, 800 ms.
    expect(Math.min(...pauses.slice(-1))).to.be.greaterThan(400)
    expect((await send(`${cluster.url}/livez`)).worker).to.equal('web-1')
    expect(failures()[0]?.err.message).to.contain('no such column: tier')

    await build.restore('server/web/worker.js')
    expect(await ask(cluster.dataDir, { command: 'reload', wait: true })).to.deep.include({ ok: true })
    const { result } = await ask(cluster.dataDir, { command: 'status' })
    expect(result.workers.map(({ state }: { state: string }) => state)).to.deep.equal(['ready', 'ready'])
  })
})
