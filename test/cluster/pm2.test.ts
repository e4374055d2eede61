import { expect } from 'chai'
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { admin, withoutLimits } from '../support/cluster.ts'
import { copyDeployment, type Deployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { openEventStream } from '../support/event-stream.ts'
import { freePort } from '../support/free-port.ts'
import { onEveryWorker, send, signIn, type SignedIn } from '../support/http.ts'
import { startPm2, type Pm2 } from '../support/pm2.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { recordSecret } from '../support/run-records.ts'
import { steadyLoad } from '../support/load.ts'

describe('pm2', function () {
  this.timeout(90_000)
  let deployment: Deployment
  let dataDir: string
  let redis: TestRedis
  let pm2: Pm2 | null = null

  before(async () => {
    deployment = await copyDeployment()
    redis = await startRedis()
    recordSecret(admin.password)
  })
  after(async () => {
    await redis.stop()
    await deployment.remove()
  })

  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'lockstep-pm2-data-'))
  })
  afterEach(async () => {
    await pm2?.kill()
    pm2 = null
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  })

  async function start(env: Record<string, string | undefined>): Promise<{ pm2: Pm2; url: string }> {
    const port = await freePort()
    const started = await startPm2(deployment.root, {
      DATA_DIR: dataDir,
      PORT: String(port),
      WORKERS: '2',
      EXPOSE_WORKER: 'on',
      ADMIN_EMAIL: admin.email,
      ADMIN_PASSWORD: admin.password,
      REDIS_URL: redis.url,
      ...withoutLimits,
      ...env,
    })
    pm2 = started
    await started.run('start', 'ecosystem.config.js')
    return { pm2: started, url: `http://127.0.0.1:${port}` }
  }

  async function pidsOf(name: string): Promise<number[]> {
    return ((await pm2?.list(name)) ?? []).map(({ pid }) => pid)
  }

  /** Does it while requests come in, and expects that none of them is lost. */
  async function underLoad(url: string, change: () => Promise<unknown>): Promise<void> {
    const load = steadyLoad(`${url}/livez`)
    await eventually(() => expect(load.answered()).to.be.greaterThan(50))
    await change()
    const before = load.answered()
    await eventually(() => expect(load.answered()).to.be.greaterThan(before + 50))
    expect(await load.stop()).to.deep.equal([])
  }

  describe('in cluster mode', () => {
    const clusterMode = { PM2_MODE: 'cluster' }

    it('ends the streams of all workers before a logout is answered, and tells those of a reload when to come back', async () => {
      const { pm2, url } = await start(clusterMode)
      const [ada, other] = [await signIn(url, admin), await signIn(url, admin)]
      const open = (session: SignedIn) =>
        Promise.all(
          Array.from({ length: 8 }, () =>
            openEventStream(`${url}/api/v1/auth/stream`, { Cookie: `sid=${session.token}` }),
          ),
        )
      const [leaving, staying] = [await open(ada), await open(other)]
      expect(new Set(leaving.map(({ headers }) => headers['x-worker'])).size).to.equal(2)
      expect((await ada.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
      await Promise.all(leaving.map(({ ended }) => ended))
      for (const stream of leaving) expect(stream.events().at(-1)).to.include({ event: 'session-ended' })
      await pm2.run('reload', 'lockstep')
      await Promise.all(staying.map(({ ended }) => ended))
      for (const stream of staying) expect(stream.retryMs()).to.be.within(500, 4_000)
    })

    it('runs workers that share sessions, reloads and scales them without losing a request', async () => {
      const { pm2, url } = await start(clusterMode)
      const started = (await pm2.list()).map(({ name, status }) => [name, status])
      expect(started.toSorted()).to.deep.equal([
        ['lockstep', 'online'],
        ['lockstep', 'online'],
        ['lockstep-jobs', 'online'],
      ])
      // Both may have created the first administrator; one did.
      expect(pm2.logs('lockstep').split(`The first administrator is ${admin.email}`)).to.have.length(2)

      const ada = await signIn(url, admin)
      const answers = await onEveryWorker(2, () => ada.send('/api/v1/auth/me'))
      const ids = (await pm2.list('lockstep')).map(({ id }) => `web-${id + 1}`)
      expect([...answers.keys()].toSorted()).to.deep.equal(ids.toSorted())
      for (const { status } of answers.values()) expect(status).to.equal(200)
      await expectWorkersToldOf(ada, ids)
      for (const id of ids) {
        const ready = `"worker":"${id.replace('web-', '')}"[^\\n]*"msg":"worker is ready"`
        expect(pm2.logs('lockstep')).to.match(new RegExp(ready))
      }

      const before = await pidsOf('lockstep')
      await underLoad(url, async () => {
        await pm2.run('reload', 'lockstep')
        await pm2.run('scale', 'lockstep', '3')
        await pm2.run('scale', 'lockstep', '1')
      })
      const [left, ...others] = await pidsOf('lockstep')
      expect(others).to.deep.equal([])
      expect(before).to.not.include(left)
      expect((await ada.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
      expect((await ada.send('/api/v1/auth/me')).status).to.equal(401)

      await pm2.run('stop', 'all')
      for (const { status } of await pm2.list()) expect(status).to.equal('stopped')
      const logs = pm2.logs('lockstep') + pm2.logs('lockstep-jobs')
      expect(logs).to.not.match(/"level":"(error|fatal)"/)
    })

    /** The list is complete whoever answers, and what is pm2's to do is left to pm2. */
    async function expectWorkersToldOf(ada: SignedIn, ids: readonly string[]): Promise<void> {
      const admin = '/api/v1/admin/workers'
      await eventually(async () => {
        const { workers } = (await ada.send(admin)).json()
        expect(workers.map(({ id }: { id: string }) => id)).to.have.members(ids)
        for (const worker of workers) expect(worker).to.include({ kind: 'web', state: 'ready' })
      })
      for (const [route, body] of [
        ['scale', { web: 3 }],
        ['reload', undefined],
        [`${ids[0]}/drain`, undefined],
      ] as const) {
        const refused = await ada.send(`${admin}/${route}`, { method: 'POST', ...(body ? { body } : {}) })
        expect(refused.status).to.equal(409)
        expect(refused.json().detail).to.contain('pm2 runs the workers here')
      }
    }

    it('is refused without a Redis of its own, once, with the way out', async () => {
      const { pm2 } = await start({ ...clusterMode, REDIS_URL: undefined, WORKERS: '1' })
      const reason = 'REDIS_URL is not set, and under the cluster mode of pm2'
      await eventually(() => expect(pm2.logs('lockstep')).to.contain(reason))
      await eventually(async () => {
        const [worker] = await pm2.list('lockstep')
        expect(worker).to.include({ pid: 0, restarts: 0 })
      })
    })
  })

  describe('in fork mode', () => {
    it('runs our primary, whose reload loses nothing, and which a broken build leaves as it was', async () => {
      const { pm2, url } = await start({})
      await eventually(() => expect(pm2.logs('lockstep')).to.contain('"msg":"listening"'), 20_000)
      const primary = await pidsOf('lockstep')
      const before = await workerPids()

      await underLoad(url, async () => {
        await pm2.run('sendSignal', 'SIGUSR2', 'lockstep')
        await eventually(async () => {
          const now = await workerPids()
          expect(now).to.have.length(2)
          for (const pid of now) expect(before).to.not.include(pid)
        }, 30_000)
      })
      expect(await pidsOf('lockstep')).to.deep.equal(primary)

      const module = path.join(deployment.root, 'dist', 'bundle', 'server', 'main.js')
      const good = await readFile(module, 'utf8')
      const reloaded = await workerPids()
      await writeFile(module, 'throw new Error("this build is broken")\n')
      await underLoad(url, async () => {
        await pm2.run('sendSignal', 'SIGUSR2', 'lockstep')
        await eventually(() => expect(pm2.logs('lockstep')).to.contain('this build is broken'), 30_000)
      })
      await writeFile(module, good)
      expect(await workerPids()).to.deep.equal(reloaded)

      await pm2.run('stop', 'lockstep')
      expect((await pm2.list('lockstep'))[0]).to.include({ status: 'stopped', restarts: 0 })
      expect(await send(`${url}/livez`).catch(() => 'refused')).to.equal('refused')

      /** Of the workers that answer, sorted. */
      async function workerPids(): Promise<number[]> {
        const ada = await signIn(url, admin)
        const { workers } = (await ada.send('/api/v1/admin/workers')).json()
        return workers
          .filter(({ kind }: { kind: string }) => kind === 'web')
          .map(({ pid }: { pid: number }) => pid)
          .toSorted()
      }
    })
  })
})
