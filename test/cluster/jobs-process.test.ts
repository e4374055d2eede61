import { expect } from 'chai'
import { copyBuild } from '../support/built-copy.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { isAlive } from '../support/children.ts'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { ask } from '../support/control.ts'
import { releaseOfBuild } from '../../shared/process/release.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { startRedis } from '../support/redis.ts'
import { eventually } from '../support/eventually.ts'
import { signIn, type SignedIn } from '../support/http.ts'

/** Takes three seconds, and says which process did it. */
const slowEcho = `import { z } from 'zod'
import { defineJob } from '../../shared/queues/job.js'
export const echo = defineJob({
  name: 'echo',
  payload: z.strictObject({ message: z.string() }),
  enqueue: 'anyone signed in',
  async handler({ signal, progress }) {
    await progress(process.pid)
    await new Promise((done) => setTimeout(done, 3_000))
    return { by: process.pid, interrupted: signal.aborted }
  },
})`

describe('the job workers of the server', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  async function start(): Promise<{ cluster: TestCluster; root: SignedIn }> {
    const cluster = await startCluster({ workers: 1, jobWorkers: 1, env: withoutLimits })
    cleanUp(() => cluster.stop())
    return { cluster, root: await signIn(cluster.url, { ...admin, transport: 'token' }) }
  }

  async function expectEcho(root: SignedIn, message: string): Promise<void> {
    const queued = await root.send('/api/v1/jobs/echo', { method: 'POST', body: { data: { message } } })
    expect(queued.status).to.equal(202)
    await eventually(async () => {
      const job = (await root.send(`/api/v1/jobs/echo/${queued.json().id}`)).json()
      expect(job).to.deep.include({ state: 'completed', result: { message } })
    }, 15_000)
  }

  it('are forked beside the web workers, replaced when they die, and replaced by a reload', async () => {
    const { cluster, root } = await start()
    await expectEcho(root, 'the first')
    const pids = [cluster.workerPids('jobs').get(1)]
    const newest = () => cluster.workerPids('jobs').get(1)

    process.kill(pids[0] ?? 0, 'SIGKILL')
    await eventually(() => expect(newest()).to.not.equal(pids[0]), 15_000)
    pids.push(newest())
    await expectEcho(root, 'the second')

    expect(await ask(cluster.dataDir, { command: 'reload', wait: true })).to.deep.equal({
      ok: true,
      result: { replaced: 2 },
    })
    expect(pids.filter((pid) => isAlive(pid ?? 0))).to.deep.equal([])
    await expectEcho(root, 'the third')
  })

  it('of the old build finish their jobs at a reload, within JOB_GRACE and not GRACE', async () => {
    const build = await copyBuild()
    cleanUp(() => build.remove())
    await build.replace('workers/jobs/echo.js', slowEcho)
    const env = { ...withoutLimits, GRACE: '500ms', JOB_GRACE: '20s' }
    const cluster = await startCluster({ workers: 1, jobWorkers: 1, mainPath: build.mainPath, env })
    cleanUp(() => cluster.stop())
    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    const asked = await root.send('/api/v1/jobs/echo', {
      method: 'POST',
      body: { data: { message: 'long' } },
    })
    const look = async () => (await root.send(`/api/v1/jobs/echo/${asked.json().id}`)).json()
    const old = cluster.workerPids('jobs').get(1)
    await eventually(async () => expect(await look()).to.include({ state: 'active', progress: old }))
    expect(await ask(cluster.dataDir, { command: 'reload', wait: true })).to.include({ ok: true })
    expect(cluster.workerPids('jobs').get(1)).to.not.equal(old)
    expect(await look()).to.deep.include({ state: 'completed', result: { by: old, interrupted: false } })
  })

  it('take over at once what a worker that was killed -9 was at, instead of when its locks run out', async () => {
    const build = await copyBuild()
    cleanUp(() => build.remove())
    await build.replace('workers/jobs/echo.js', slowEcho)
    const { mainPath } = build
    const cluster = await startCluster({ workers: 1, jobWorkers: 1, mainPath, env: withoutLimits })
    cleanUp(() => cluster.stop())
    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    const asked = await root.send('/api/v1/jobs/echo', { method: 'POST', body: { data: { message: 'on' } } })
    const look = async () => (await root.send(`/api/v1/jobs/echo/${asked.json().id}`)).json()
    const old = cluster.workerPids('jobs').get(1) ?? 0
    await eventually(async () => expect(await look()).to.include({ state: 'active', progress: old }))
    process.kill(old, 'SIGKILL')
    // Locks last 30 s.
    await eventually(async () => expect(await look()).to.include({ state: 'completed' }), 20_000)
    expect((await look()).result.by)
      .to.equal(cluster.workerPids('jobs').get(1))
      .and.not.equal(old)
  })

  it('keep schedules by the release of the build, not by when they were started', async () => {
    const redis = await startRedis()
    cleanUp(() => redis.stop())
    const cluster = await startCluster({ workers: 1, jobWorkers: 1, redisUrl: redis.url, env: withoutLimits })
    cleanUp(() => cluster.stop())
    const connection = openRedis({ kind: 'single', url: redis.url }, 'commands')
    cleanUp(async () => connection.disconnect())
    const [key = ''] = await connection.keys('*:schedules-applied')
    const kept = await connection.hget(key, '@build')
    expect(Number(kept)).to.equal(releaseOfBuild(new URL('../../dist/.release', import.meta.url)))
  })

  it('are scaled apart from the web workers, down to none', async () => {
    const { cluster, root } = await start()
    expect(await ask(cluster.dataDir, { command: 'scale', jobs: 3, wait: true })).to.deep.equal({
      ok: true,
      result: { web: 1, jobs: 3 },
    })
    expect([...cluster.workerPids('jobs').keys()].toSorted()).to.deep.equal([1, 2, 3])
    expect(await ask(cluster.dataDir, { command: 'scale', jobs: 0, wait: true })).to.include({ ok: true })
    const queued = await root.send('/api/v1/jobs/echo', {
      method: 'POST',
      body: { data: { message: 'waits' } },
    })
    expect(queued.status).to.equal(202)
    const job = `/api/v1/jobs/echo/${queued.json().id}`
    expect((await root.send(job)).json()).to.include({ state: 'waiting' })
    expect(await ask(cluster.dataDir, { command: 'scale', jobs: 1, wait: true })).to.include({ ok: true })
    await eventually(
      async () => expect((await root.send(job)).json()).to.include({ state: 'completed' }),
      15_000,
    )
  })
})
