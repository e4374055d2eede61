import { expect } from 'chai'
import { mkdir, mkdtemp, realpath, rm, stat } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { ask, control } from '../support/control.ts'
import { eventually } from '../support/eventually.ts'
import { send, signIn, type SignedIn, type TestRequest } from '../support/http.ts'
import { lockstep } from '../support/lockstep-command.ts'
import { startRedis } from '../support/redis.ts'

const workersPath = '/api/v1/admin/workers'

describe('the control of a running server', function () {
  this.timeout(60_000)
  let cluster: TestCluster
  let root: SignedIn

  before(async () => {
    cluster = await startCluster({ workers: 2, jobWorkers: 1, env: withoutLimits })
    root = await signIn(cluster.url, { ...admin, transport: 'token' })
  })
  after(() => cluster?.stop())

  describe('by its socket', () => {
    it('is closed to other users', async () => {
      const { mode } = await stat(path.join(cluster.dataDir, 'control.sock'))
      expect(mode & 0o777).to.equal(0o600)
    })

    const refused: [what: string, text: string, words: RegExp][] = [
      ['what is not JSON', 'reload', /not a JSON object on one line/],
      ['what is no object', '"reload"', /not a JSON object/],
      ['an unknown command', '{"command":"stop"}', /command must be one of status, redis, reload, scale/],
      ['a command with a field too many', '{"command":"status","all":true}', /all/],
      ['a number of workers below the least', '{"command":"scale","web":0}', /web: .*>=1/],
      ['a number of workers that is none', '{"command":"scale","jobs":"2"}', /jobs: .*number/],
      ['a scale without a number', '{"command":"scale"}', /name the number of web or of jobs/],
      ['a worker that does not exist', '{"command":"drain","id":"web-9"}', /no worker "web-9" on this host/],
      ['a worker with an odd name', '{"command":"drain","id":"web-1\\nweb-2"}', /no worker "web-1\\nweb-2"/],
    ]
    for (const [what, text, words] of refused) {
      it(`refuses ${what}, and says why`, async () => {
        const [answer] = await control(cluster.dataDir, `${text}\n`)
        expect(answer).to.include({ ok: false })
        expect(answer?.message).to.match(words)
      })
    }

    it('answers several requests on one connection, in their order', async () => {
      const text = '{"command":"status"}\nnonsense\n\n{"command":"status"}\n'
      const answers = await control(cluster.dataDir, text, 3)
      expect(answers.map(({ ok }) => ok)).to.deep.equal([true, false, true])
    })

    it('hangs up on a line without an end, and goes on', async () => {
      const [answer] = await control(cluster.dataDir, '{"command":"'.padEnd(100_000, 'x'))
      expect(answer?.message).to.contain('of at most 4096 characters')
      expect(await ask(cluster.dataDir, { command: 'status' })).to.include({ ok: true })
    })
  })

  describe('over HTTP', () => {
    async function post(route: string, body?: object): Promise<ReturnType<typeof send>> {
      return root.send(`${workersPath}/${route}`, { method: 'POST', ...(body ? { body } : {}) })
    }

    it('is for administrators only', async () => {
      const user = { email: 'ada@example.com', name: 'Ada', roles: ['user', 'viewer', 'operator'] }
      const body = { ...user, password: admin.password }
      expect((await root.send('/api/v1/admin/users', { method: 'POST', body })).status).to.equal(201)
      const ada = await signIn(cluster.url, {
        email: user.email,
        password: admin.password,
        transport: 'token',
      })
      const requests: [string, TestRequest][] = [
        ['', { method: 'GET' }],
        ['/scale', { method: 'POST', body: { web: 3 } }],
        ['/reload', { method: 'POST' }],
        ['/web-1/drain', { method: 'POST' }],
      ]
      for (const [route, options] of requests) {
        expect((await ada.send(`${workersPath}${route}`, options)).status).to.equal(403)
        expect((await send(`${cluster.url}${workersPath}${route}`, options)).status).to.equal(401)
      }
    })

    it('shows every worker with what it tells of itself', async () => {
      const workers = await eventually(async () => {
        const answer = await root.send(workersPath)
        expect(answer.status).to.equal(200)
        const found = answer.json().workers as Record<string, any>[]
        expect(found.map(({ rssBytes }) => rssBytes)).to.not.include(null)
        return found
      })
      expect(workers.map(({ id, kind, state }) => [id, kind, state])).to.deep.equal([
        ['web-1', 'web', 'ready'],
        ['web-2', 'web', 'ready'],
        ['jobs-1', 'jobs', 'ready'],
      ])
      const [web, jobs] = [cluster.workerPids(), cluster.workerPids('jobs')]
      expect(workers.map(({ pid }) => pid)).to.deep.equal([web.get(1), web.get(2), jobs.get(1)])
      for (const { kind, leaseMs, cachedSessions, startedAt } of workers) {
        expect(Date.parse(startedAt)).to.be.greaterThan(Date.now() - 120_000)
        if (kind === 'web')
          expect([leaseMs, cachedSessions]).to.satisfy((all: unknown[]) => all.every(isCount))
        else expect([leaseMs, cachedSessions]).to.deep.equal([null, null])
      }
    })

    it('changes the numbers, drains and reloads', async () => {
      const scaled = await post('scale', { web: 3, jobs: 0 })
      expect([scaled.status, scaled.json()]).to.deep.equal([202, { web: 3, jobs: 0 }])
      await eventually(async () => {
        const { workers } = (await root.send(workersPath)).json()
        expect(idsOf(workers)).to.deep.equal(['web-1', 'web-2', 'web-3'])
        expect(workers.every(({ state }: { state: string }) => state === 'ready')).to.equal(true)
      }, 20_000)

      const before = cluster.workerPids()
      expect((await post('web-2/drain')).status).to.equal(202)
      await eventually(() => expect(cluster.workerPids().get(2)).to.not.equal(before.get(2)), 20_000)
      expect(cluster.workerPids().get(1)).to.equal(before.get(1))

      expect((await post('reload')).status).to.equal(202)
      await eventually(() => expect(cluster.output()).to.contain('"reloaded"'), 30_000)
      expect((await post('scale', { web: 2, jobs: 1 })).status).to.equal(202)
    })

    it('names what is wrong with a request', async () => {
      for (const body of [{}, { web: 0 }, { web: 257 }, { jobs: -1 }, { web: 1.5 }]) {
        expect((await post('scale', body)).status).to.equal(422)
      }
      const answer = await post('web-77/drain')
      expect(answer.status).to.equal(404)
      expect(answer.json().detail).to.contain('commands act on the host that answers them')
    })

    it('answers 503 while the primary does not', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      // New connections come through the primary too, so this one is made before.
      expect((await root.send(workersPath, { agent })).status).to.equal(200)
      cluster.signal('SIGSTOP')
      const answer = await root.send(workersPath, { agent }).finally(() => cluster.signal('SIGCONT'))
      agent.destroy()
      expect(answer.status).to.equal(503)
      expect(answer.json()).to.include({ type: 'unavailable' })
      expect(answer.headers).to.have.property('retry-after')
    })
  })
})

function idsOf(workers: readonly { id: string }[]): string[] {
  return [...new Set(workers.map(({ id }) => id))].toSorted()
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0
}

describe('the control of several servers', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  it('shows the workers of all that share a Redis and the accounts, until a server is gone', async () => {
    const redis = await startRedis()
    cleanUp(() => redis.stop())
    const first = await startCluster({ workers: 1, redisUrl: redis.url })
    cleanUp(() => first.stop())
    const accounts = `sqlite:${path.join(first.dataDir, 'accounts.sqlite')}`
    const second = await startCluster({ workers: 2, redisUrl: redis.url, env: { DATABASE_URL: accounts } })
    const pidsSeen = async () => {
      const { result } = await ask(first.dataDir, { command: 'status' })
      return result.workers.map(({ pid }: { pid: number }) => pid).toSorted()
    }
    const own = [...first.workerPids().values()]
    const all = [...own, ...second.workerPids().values()].toSorted()
    await eventually(async () => expect(await pidsSeen()).to.deep.equal(all))
    await second.stop()
    expect(await pidsSeen()).to.deep.equal(own)
  })

  it('works where the path of the data directory is too long for a socket', async () => {
    const parent = await mkdtemp(path.join(tmpdir(), 'lockstep-long-'))
    cleanUp(() => rm(parent, { recursive: true, maxRetries: 5 }))
    const dataDir = path.join(parent, 'd'.repeat(60), 'd'.repeat(60))
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const cluster = await startCluster({ workers: 1, dataDir })
    const socket = await realpath(path.join(dataDir, 'control.sock'))
    expect(socket.length).to.be.lessThan(104)
    const { code, stdout } = await lockstep({ dataDir }, 'status')
    expect(code).to.equal(0)
    expect(stdout).to.contain('web-1')
    await cluster.stop()
    expect(await stat(socket).catch(() => null)).to.equal(null)
  })
})
