import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { commandOf } from '../../server/cluster/embedded-redis/server-version.ts'
import { trackChild } from '../support/children.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { admin, refusedStart, startCluster, withoutLimits } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { signIn } from '../support/http.ts'
import { startRedis, testRedisServer, type TestRedis, type TestRedisOptions } from '../support/redis.ts'
import { verdicts } from '../support/users.ts'

const tls = path.join(import.meta.dirname, '..', 'fixtures', 'tls')

describe('with every kind of Redis that REDIS_URL can name', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  async function redis(options: TestRedisOptions = {}): Promise<TestRedis> {
    const server = await startRedis(options)
    cleanUp(() => server.stop())
    return server
  }

  /** The main job: signing in, being known to every worker, a job, and a logout that every worker obeys. */
  async function expectToServe(redisUrl: string, env: Record<string, string> = {}): Promise<void> {
    const cluster = await startCluster({
      redisUrl,
      jobWorkers: 1,
      env: { ...withoutLimits, LIMIT_API: '1000/1m', ...env },
    })
    cleanUp(() => cluster.stop())
    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    expect(await verdicts(cluster, root)).to.deep.equal([200, 200])

    const body = { data: { message: 'hello' } }
    const { id } = (await root.send('/api/v1/jobs/echo', { method: 'POST', body })).json()
    await eventually(async () => {
      expect((await root.send(`/api/v1/jobs/echo/${id}`)).json()).to.include({ state: 'completed' })
    })
    expect((await root.send('/api/v1/admin/schedules')).status).to.equal(200)
    const changed = await root.send('/api/v1/admin/settings', {
      method: 'PATCH',
      body: { logLevel: 'debug' },
    })
    expect(changed.status).to.equal(200)
    expect(
      (await root.send('/api/v1/auth/logout-all', { method: 'POST', body: { keepCurrent: true } })).status,
    ).to.equal(200)
    expect((await root.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
    expect(await verdicts(cluster, root)).to.deep.equal([401, 401])
    const bad = cluster.logged().filter(({ level }) => level === 'error' || level === 'warn')
    expect(bad.map(({ msg, err }) => [msg, err?.message])).to.deep.equal([])
  }

  it('serves from a Redis Cluster of three nodes', async () => {
    const nodes = await Promise.all(
      Array.from({ length: 3 }, () =>
        redis({ config: { 'cluster-enabled': 'yes', 'maxmemory-policy': 'noeviction' } }),
      ),
    )
    await joinCluster(nodes)
    await expectToServe(`redis+cluster://${nodes.map(({ url }) => new URL(url).host).join(',')}`)
  })

  it('serves from the master that Sentinel names', async () => {
    const master = await redis()
    const sentinel = await startSentinel('shop', Number(new URL(master.url).port))
    await expectToServe(`redis+sentinel://127.0.0.1:${sentinel}/shop`)
  })

  it('serves over TLS, and refuses a certificate that nobody vouches for', async () => {
    const port = await freePort()
    await redis({
      config: {
        'tls-port': String(port),
        'tls-cert-file': path.join(tls, 'certificate.pem'),
        'tls-key-file': path.join(tls, 'key.pem'),
        'tls-auth-clients': 'no',
      },
    })
    const redisUrl = `rediss://localhost:${port}`
    await expectToServe(redisUrl, { NODE_EXTRA_CA_CERTS: path.join(tls, 'certificate.pem') })

    const { code, output } = await refusedStart({ redisUrl })
    expect(code).to.equal(1)
    expect(output).to.contain(redisUrl).and.contain('self-signed certificate')
  })

  async function joinCluster(nodes: readonly TestRedis[]): Promise<void> {
    const clients = nodes.map(({ url }) => new Redis(url))
    cleanUp(async () => clients.forEach((client) => client.disconnect()))
    const slots = 16_384
    const first = new URL(nodes[0]!.url)
    for (const [index, client] of clients.entries()) {
      const from = Math.floor((index * slots) / nodes.length)
      const to = Math.floor(((index + 1) * slots) / nodes.length)
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to - 1)
      if (index > 0) await client.call('CLUSTER', 'MEET', first.hostname, first.port)
    }
    await eventually(async () => {
      for (const client of clients) {
        const info = String(await client.call('CLUSTER', 'INFO'))
        expect(info).to.contain('cluster_state:ok').and.contain(`cluster_known_nodes:${nodes.length}`)
      }
    })
  }

  async function startSentinel(name: string, masterPort: number): Promise<number> {
    const directory = await mkdtemp(path.join(tmpdir(), 'lockstep-sentinel-'))
    const port = await freePort()
    const file = path.join(directory, 'sentinel.conf')
    await writeFile(
      file,
      `port ${port}\nbind 127.0.0.1\ndir ${directory}\nsentinel monitor ${name} 127.0.0.1 ${masterPort} 1\n`,
    )
    const [program = '', ...args] = commandOf(await testRedisServer())
    const child = spawn(program, [...args, file, '--sentinel'], { stdio: 'ignore' })
    trackChild(child.pid ?? 0, 'the Sentinel of a test')
    cleanUp(async () => {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      await rm(directory, { recursive: true, force: true })
    })
    const asking = new Redis(port)
    asking.on('error', () => {})
    await eventually(async () =>
      expect(await asking.call('SENTINEL', 'get-master-addr-by-name', name)).to.be.an('array'),
    )
    asking.disconnect()
    return port
  }
})
