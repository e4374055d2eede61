import { expect } from 'chai'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isAlive, livingChildren } from '../support/children.ts'
import { admin, refusedStart, startCluster, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { onEveryWorker, send, sendAs, signIn, type TestResponse } from '../support/http.ts'
import { startRedis } from '../support/redis.ts'

/** The processes whose command line names the directory: Redis and its guard. */
function processesOf(directory: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory) ? [pid] : []
      } catch {
        return []
      }
    })
}

async function expectNothingLeft(cluster: TestCluster): Promise<void> {
  const pids = [cluster.primaryPid, ...cluster.workerPids().values()]
  await eventually(() => {
    expect(pids.filter(isAlive)).to.deep.equal([])
    expect(processesOf(cluster.dataDir)).to.deep.equal([])
  })
}

/**
 * Asks until there is an answer. A connection that was just handed to a worker when it was killed never gets one:
 * node:cluster does not take it back.
 */
function livez(cluster: TestCluster): Promise<TestResponse> {
  return eventually(async () => {
    const answer = await send(`${cluster.url}/livez`, { timeoutMs: 500 })
    expect(answer.status).to.equal(200)
    return answer
  })
}

describe('the primary', function () {
  this.timeout(60_000)
  let clusters: TestCluster[] = []
  let directories: string[] = []

  async function start(...args: Parameters<typeof startCluster>): Promise<TestCluster> {
    const cluster = await startCluster(...args)
    clusters.push(cluster)
    return cluster
  }

  async function directory(): Promise<string> {
    const made = await mkdtemp(path.join(tmpdir(), 'lockstep-primary-'))
    directories.push(made)
    return made
  }

  afterEach(async () => {
    for (const cluster of clusters) await cluster.kill()
    for (const made of directories) await rm(made, { recursive: true, force: true, maxRetries: 5 })
    clusters = []
    directories = []
  })

  it('starts workers that all know who signed in on one of them, and says how to try it', async () => {
    const cluster = await start({ workers: 3 })
    expect(cluster.output()).to.contain(`The first administrator is ${admin.email}`)
    expect(cluster.output()).to.contain('curl').and.to.contain(`${cluster.url}/api/v1/auth/login`)
    expect(cluster.output()).to.not.contain(admin.password)
    const ada = await signIn(cluster.url, admin)
    const answers = await onEveryWorker(3, () => ada.send('/api/v1/auth/me'))
    expect([...answers.keys()].toSorted()).to.deep.equal(['web-1', 'web-2', 'web-3'])
    for (const answer of answers.values()) expect(answer.status).to.equal(200)
  })

  it('prints the password that it generated once, and not into the log', async () => {
    const cluster = await start({ workers: 1, env: { ADMIN_EMAIL: undefined, ADMIN_PASSWORD: undefined } })
    const password = /password {2}(\S+)/.exec(cluster.output())?.[1] ?? expect.fail('no password was printed')
    expect(cluster.output().split(password)).to.have.length(2)
    expect(JSON.stringify(cluster.logged())).to.not.contain(password)
    await signIn(cluster.url, { email: 'admin@localhost', password })
  })

  it('keeps the password of the administrator from its workers', async () => {
    const cluster = await start({ workers: 1 })
    const environment = readFileSync(`/proc/${cluster.workerPids().get(1)}/environ`, 'utf8')
    expect(environment).to.contain('LOCKSTEP_SLOT=1').and.not.contain(admin.password)
  })

  it('stops on SIGTERM with exit code 0 and leaves no process behind', async () => {
    const cluster = await start()
    cluster.signal('SIGTERM')
    expect(await cluster.exited).to.equal(0)
    await expectNothingLeft(cluster)
  })

  it('keeps accounts and sessions over a restart', async () => {
    const dataDir = await directory()
    const first = await start({ dataDir })
    const { token } = await signIn(first.url, admin)
    await first.stop()
    const second = await start({ dataDir, env: { ADMIN_PASSWORD: undefined } })
    expect(second.output()).to.not.contain('first administrator')
    expect((await sendAs(second.url, '/api/v1/auth/me', { token })).status).to.equal(200)
    await second.stop()
  })

  it('leaves nothing behind when it is killed', async () => {
    const cluster = await start()
    cluster.signal('SIGKILL')
    await cluster.exited
    await expectNothingLeft(cluster)
  })

  it('starts again at once on the directory of one that was killed, and keeps the sessions', async () => {
    const dataDir = await directory()
    const first = await start({ dataDir })
    const { token } = await signIn(first.url, admin)
    first.signal('SIGKILL')
    await first.exited
    const second = await start({ dataDir })
    expect((await sendAs(second.url, '/api/v1/auth/me', { token })).status).to.equal(200)
    await second.stop()
  })

  it('stops gracefully when Ctrl-C reaches the workers too', async () => {
    const cluster = await start()
    for (const pid of [...cluster.workerPids().values(), cluster.primaryPid]) process.kill(pid, 'SIGINT')
    expect(await cluster.exited).to.equal(0)
    expect(cluster.logged().filter(({ level }) => level === 'error' || level === 'fatal')).to.deep.equal([])
    await expectNothingLeft(cluster)
  })

  it('stops at once at the second SIGINT, but takes one that npm passes on for the first', async () => {
    const cluster = await start({ env: { GRACE: '10m' } })
    cluster.signalWorker(1, 'SIGSTOP')
    cluster.signal('SIGINT')
    await eventually(() => expect(cluster.output()).to.contain('"stopping"'))
    cluster.signal('SIGINT')
    // The worker is frozen, so only an impatient person gets any further.
    await eventually(() => {
      cluster.signal('SIGINT')
      expect(cluster.output()).to.contain('stopping at once')
    })
    expect(await cluster.exited).to.equal(130)
    await expectNothingLeft(cluster)
  })

  it('kills a worker that is still there when the grace is over', async () => {
    const cluster = await start({ env: { GRACE: '500ms' } })
    cluster.signalWorker(2, 'SIGSTOP')
    cluster.signal('SIGTERM')
    expect(await cluster.exited).to.equal(0)
    expect(cluster.output()).to.contain('worker did not end in time and is killed')
    await expectNothingLeft(cluster)
  })

  it('stops cleanly when it is told to while it starts', async () => {
    const dataDir = await directory()
    const starting = refusedStart({ dataDir })
    const pid = await eventually(() => {
      const started = Number(readFileSync(path.join(dataDir, 'primary.pid'), 'utf8'))
      expect(started).to.be.greaterThan(0)
      return started
    })
    process.kill(pid, 'SIGTERM')
    expect((await starting).code).to.equal(0)
    await eventually(() => expect(processesOf(dataDir)).to.deep.equal([]))
  })

  it('replaces a worker that was killed, while the others answer', async () => {
    const cluster = await start({ workers: 2 })
    const before = cluster.workerPids()
    cluster.signalWorker(1, 'SIGKILL')
    expect((await livez(cluster)).worker).to.equal('web-2')
    await eventually(() => expect(cluster.workerPids().get(1)).to.not.equal(before.get(1)))
    const answers = await onEveryWorker(2, () => livez(cluster))
    expect([...answers.keys()].toSorted()).to.deep.equal(['web-1', 'web-2'])
    expect(cluster.workerPids().get(2)).to.equal(before.get(2))
  })

  it('keeps the port that it picked when its only worker is replaced', async () => {
    const cluster = await start({ workers: 1 })
    cluster.signalWorker(1, 'SIGKILL')
    await livez(cluster)
  })

  it('replaces a worker that ends by a signal to itself, after it has finished', async () => {
    const cluster = await start({ workers: 1 })
    const before = cluster.workerPids().get(1)
    cluster.signalWorker(1, 'SIGTERM')
    await eventually(() => expect(cluster.workerPids().get(1)).to.not.equal(before))
    expect(cluster.output()).to.contain('worker exited unexpectedly (exit code 0)')
  })

  it('refuses a data directory that another primary uses, with any Redis', async () => {
    const redis = await startRedis()
    const cluster = await start({ workers: 1, redisUrl: redis.url })
    const second = await refusedStart({ dataDir: cluster.dataDir, redisUrl: redis.url })
    expect(second.code).to.equal(78)
    expect(second.output).to.contain(`DATA_DIR=${cluster.dataDir} is in use by another primary`)
    expect(second.output).to.contain(`(process ${cluster.primaryPid})`)
    await cluster.stop()
    await redis.stop()
  })

  it('lets one of two simultaneous starts win the directory of one that was killed', async () => {
    const dataDir = await directory()
    const killed = await start({ dataDir, workers: 1 })
    await killed.kill()
    const outcomes = await Promise.allSettled([
      start({ dataDir, workers: 1 }),
      start({ dataDir, workers: 1 }),
    ])
    expect(outcomes.map(({ status }) => status).toSorted()).to.deep.equal(['fulfilled', 'rejected'])
    const loser = outcomes.find((outcome) => outcome.status === 'rejected')
    expect(String(loser?.reason)).to.contain('is in use by another')
  })

  it('refuses a data directory that cannot be made', async () => {
    const { code, output } = await refusedStart({ env: { DATA_DIR: '/dev/null/data' } })
    expect(code).to.equal(78)
    expect(output).to.contain("DATA_DIR=/dev/null/data can't be used")
  })

  for (const [name, env] of Object.entries({
    'a data directory where the system takes none': { DATA_DIR: '/proc/self/x' },
    'an accounts file below a file': { DATABASE_URL: 'sqlite:/dev/null/x' },
    'an accounts file where the system takes no directory': { DATABASE_URL: 'sqlite:/proc/self/x/accounts' },
  })) {
    it(`${name} is refused at once, by the name of its variable`, async () => {
      const { code, output } = await refusedStart({ env })
      expect(code).to.equal(78)
      for (const [variable, value] of Object.entries(env)) {
        expect(output).to.contain(variable).and.contain(value.replace('sqlite:', ''))
      }
    })
  }

  it('refuses a port in use before it starts anything', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, output } = await refusedStart({ env: { PORT: String(port) } })
    other.close()
    expect(code).to.equal(78)
    expect(output).to.contain(`PORT=${port} on HOST=127.0.0.1 is in use by another program`)
    expect(output).to.not.contain('Redis')
  })

  it('reports every problem of the environment at once, and starts nothing', async () => {
    const dataDir = path.join(await directory(), 'data')
    const env = { PORT: 'http', GRACE: '15', SESSION_CACHE: 'memory', LIMIT_APIS: '1/1s', DATA_DIR: dataDir }
    const { code, output } = await refusedStart({ env })
    expect(code).to.equal(78)
    for (const words of [
      'PORT="http"',
      'GRACE="15"',
      'worker A would live on in worker B',
      'mean LIMIT_API?',
    ]) {
      expect(output).to.contain(words)
    }
    expect(existsSync(dataDir)).to.equal(false)
  })

  it('refuses a weak password for the first administrator', async () => {
    const { code, output } = await refusedStart({ env: { ADMIN_PASSWORD: 'password1' } })
    expect(code).to.equal(78)
    expect(output).to.contain('ADMIN_PASSWORD').and.not.contain('password1')
  })

  it('says that Redis does not answer, without its password, and fails', async () => {
    const redisUrl = 'redis://:very-secret-word@127.0.0.1:1/0'
    const { code, output } = await refusedStart({ redisUrl })
    expect(code).to.equal(1)
    expect(output).to.contain('Redis at redis://[redacted]@127.0.0.1:1/0 does not answer')
    expect(output).to.contain('ECONNREFUSED').and.not.contain('very-secret-word')
  })

  it('refuses a Redis that throws sessions away when memory is short', async () => {
    const redis = await startRedis({ config: { 'maxmemory-policy': 'allkeys-lru' } })
    const { code, output } = await refusedStart({ redisUrl: redis.url })
    await redis.stop()
    expect(code).to.equal(78)
    expect(output).to.contain('CONFIG SET maxmemory-policy noeviction')
  })

  it('refuses a wrong password of Redis', async () => {
    const redis = await startRedis({ config: { requirepass: 'right-password' } })
    const redisUrl = redis.url.replace('//', '//:wrong-password@')
    const { code, output } = await refusedStart({ redisUrl })
    await redis.kill('SIGKILL')
    await redis.stop()
    expect(code).to.equal(78)
    expect(output).to.contain('Put the right user and password into it').and.not.contain('wrong-password')
  })

  it('refuses the cluster mode of pm2 without a Redis of its own', async () => {
    const { code, output } = await refusedStart({ env: { NODE_UNIQUE_ID: '1', pm_id: '0' } })
    expect(code).to.equal(78)
    expect(output).to.contain('REDIS_URL is not set, and under the cluster mode of pm2')
  })

  it('refuses to be the worker of another program', async () => {
    const { code, output } = await refusedStart({ env: { NODE_UNIQUE_ID: '1' } })
    expect(code).to.equal(78)
    expect(output).to.contain('Another program forked this as a worker of its own')
  })

  it('signs everyone out once when the machine went down without a clean stop', async () => {
    const dataDir = await directory()
    const before = await start({ dataDir, workers: 1 })
    const { token } = await signIn(before.url, admin)
    await before.kill()
    const record = path.join(dataDir, 'redis', 'last-run.json')
    await writeFile(
      record,
      (await readFile(record, 'utf8')).replace(/"bootId":"[^"]*"/, '"bootId":"another"'),
    )

    const after = await start({ dataDir, workers: 1 })
    expect(after.output()).to.contain('the machine went down uncleanly')
    expect((await sendAs(after.url, '/api/v1/auth/me', { token })).status).to.equal(401)
    const again = await signIn(after.url, admin)
    await after.stop()

    const later = await start({ dataDir, workers: 1 })
    expect((await sendAs(later.url, '/api/v1/auth/me', again)).status).to.equal(200)
    await later.stop()
  })

  it('keeps sessions only in a Redis that syncs every write', async () => {
    for (const [persistence, durability] of [
      ['always', 'keep'],
      ['everysec', 'fence'],
    ] as const) {
      const redis = await startRedis({ persistence })
      const cluster = await start({ workers: 1, redisUrl: redis.url })
      expect(cluster.logged().find((line) => line.durability)).to.have.property('durability', durability)
      await cluster.stop()
      await redis.stop()
    }
  })

  it('leaves none of the processes of these tests behind', async () => {
    await eventually(() => expect([...livingChildren().values()]).to.deep.equal([]))
  })
})
