import { expect } from 'chai'
import { applicationWithRoutes, makeApplicationFolder } from '../support/application-folder.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { startCluster, withoutLimits, type ClusterOptions, type TestCluster } from '../support/cluster.ts'
import { ask } from '../support/control.ts'
import { eventually } from '../support/eventually.ts'
import { flood } from '../support/load.ts'
import { send } from '../support/http.ts'

/** At least so many, and as many as are answered during the changes; `npm run test:zero-loss` for a long run. */
const requests = Number(process.env.ZERO_LOSS_REQUESTS ?? 5_000)

describe('requests while the workers change', function () {
  this.timeout(Math.max(60_000, requests * 10))
  const cleanUp = cleanUpAfterEach()

  async function start(options: ClusterOptions): Promise<TestCluster> {
    const cluster = await startCluster({ ...options, env: { ...withoutLimits, ...options.env } })
    cleanUp(() => cluster.stop())
    return cluster
  }

  /** Changes the workers again and again until so many requests were answered; none may have failed. */
  async function expectNoneLost(
    cluster: TestCluster,
    count: number,
    changes: readonly object[],
  ): Promise<void> {
    const load = flood(`${cluster.url}/livez`)
    let done = 0
    while (load.answered() < count || done < changes.length) {
      const answer = await ask(cluster.dataDir, { ...changes[done % changes.length], wait: true })
      expect(answer).to.have.property('ok', true)
      done += 1
    }
    expect(await load.stop()).to.deep.equal([])
  }

  it('are all answered over reloads, drains and changes of the number of workers', async () => {
    const cluster = await start({ workers: 2 })
    await expectNoneLost(cluster, requests, [
      { command: 'reload' },
      { command: 'scale', web: 6 },
      { command: 'reload', parallel: 6 },
      { command: 'drain', id: 'web-2' },
      { command: 'scale', web: 1 },
      { command: 'scale', web: 2 },
    ])
  })

  it('are all answered when the system hands out the connections', async () => {
    const cluster = await start({ workers: 2, env: { SCHEDULING: 'shared' } })
    await expectNoneLost(cluster, requests / 5, [
      { command: 'reload' },
      { command: 'scale', web: 3 },
      { command: 'scale', web: 1 },
    ])
  })

  it('are all answered while workers are recycled', async () => {
    const cluster = await start({ workers: 2, env: { WORKER_MAX_AGE: '3s' } })
    const before = [...cluster.workerPids().values()]
    const load = flood(`${cluster.url}/livez`)
    await eventually(() => {
      const now = [...cluster.workerPids().values()]
      expect(now.filter((pid) => before.includes(pid))).to.deep.equal([])
    }, 30_000)
    expect(await load.stop()).to.deep.equal([])
    expect(cluster.output()).to.contain('worker is recycled')
  })

  it('finish within the grace, however long they take', async () => {
    const folder = await makeApplicationFolder({
      'app.js': applicationWithRoutes({
        '/slow': `async (ctx) => {
          globalThis.begun = true
          await new Promise((done) => setTimeout(done, 4_000))
          ctx.body = { done: true }
        }`,
        '/begun': `(ctx) => { ctx.body = { begun: globalThis.begun === true } }`,
      }),
    })
    cleanUp(() => folder.remove())
    const cluster = await start({ workers: 1, applicationFile: 'app.js', cwd: folder.path })
    const before = cluster.workerPids().get(1)
    const slow = send(`${cluster.url}/slow`)
    await eventually(async () => {
      expect((await send(`${cluster.url}/begun`)).json()).to.deep.equal({ begun: true })
    })
    const [answer, reloaded] = await Promise.all([
      slow,
      ask(cluster.dataDir, { command: 'reload', wait: true }),
    ])
    expect(answer.json()).to.deep.equal({ done: true })
    expect(reloaded).to.deep.include({ ok: true })
    expect(cluster.workerPids().get(1)).to.not.equal(before)
  })
})
