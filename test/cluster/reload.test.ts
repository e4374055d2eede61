import { expect } from 'chai'
import { isAlive } from '../support/children.ts'
import { copyBuild } from '../support/built-copy.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { startCluster, withoutLimits, type ClusterOptions, type TestCluster } from '../support/cluster.ts'
import { ask } from '../support/control.ts'
import { eventually } from '../support/eventually.ts'
import { flood } from '../support/load.ts'

const webWorker = 'server/web/worker.js'

describe('a reload of the running server', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  async function start(options: ClusterOptions): Promise<TestCluster> {
    const cluster = await startCluster({ ...options, env: { ...withoutLimits, ...options.env } })
    cleanUp(() => cluster.kill())
    return cluster
  }

  it('is aborted by a broken build, loses no request, and works when the build is mended', async () => {
    const build = await copyBuild()
    cleanUp(() => build.remove())
    const cluster = await start({ workers: 2, mainPath: build.mainPath })
    const before = cluster.workerPids()
    const load = flood(`${cluster.url}/livez`, 4)

    await build.replace(webWorker, 'throw new Error("somebody deployed on a Friday")')
    expect(await ask(cluster.dataDir, { command: 'reload', wait: true })).to.deep.equal({
      ok: false,
      code: 'failed',
      message:
        'the reload was aborted, and all workers go on as they were: ' +
        'web worker 1 did not start: somebody deployed on a Friday',
    })
    expect(cluster.workerPids()).to.deep.equal(before)
    expect(cluster.output()).to.contain('the reload was aborted')

    await build.restore(webWorker)
    expect(await ask(cluster.dataDir, { command: 'reload', wait: true })).to.deep.equal({
      ok: true,
      result: { replaced: 2 },
    })
    expect(await load.stop()).to.deep.equal([])
    const pids = [...before.values()]
    expect(pids.filter(isAlive)).to.deep.equal([])
    await cluster.stop()
  })

  it('is asked for by SIGHUP and SIGUSR2; two during a third become one', async () => {
    const cluster = await start({ workers: 1 })
    cluster.signal('SIGHUP')
    await eventually(() => expect(cluster.output()).to.contain('worker is starting'))
    cluster.signal('SIGUSR2')
    cluster.signal('SIGHUP')
    const reloads = () => cluster.logged().filter(({ msg }) => msg === 'reloaded')
    await eventually(() => expect(reloads()).to.have.length(2), 20_000)
    await cluster.stop()
    expect(reloads()).to.have.length(2)
  })

  it('ends cleanly when the server is stopped during it', async () => {
    const build = await copyBuild()
    cleanUp(() => build.remove())
    const cluster = await start({ workers: 2, mainPath: build.mainPath })
    await build.replace(webWorker, 'await new Promise((done) => setTimeout(done, 60_000))')
    const reloading = ask(cluster.dataDir, { command: 'reload', wait: true })
    const booting = await eventually(() => {
      const starting = cluster.logged().filter(({ msg }) => msg === 'worker is starting')
      expect(starting).to.have.length(3)
      return Number(starting[2]?.workerPid)
    })
    cluster.signal('SIGTERM')
    expect(await reloading).to.deep.include({ ok: false, code: 'stopping' })
    expect(await cluster.exited).to.equal(0)
    expect([booting, ...cluster.workerPids().values()].filter(isAlive)).to.deep.equal([])
    expect(cluster.logged().filter(({ level }) => level === 'error')).to.deep.equal([])
  })
})
