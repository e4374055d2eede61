import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { commandOf } from '../../server/cluster/embedded-redis/server-version.ts'
import { trackChild } from '../support/children.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { admin, refusedStart, startCluster, withoutLimits } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { signIn } from '../support/http.ts'
import { startRedisCluster, startSentinelSet } from '../support/redis-topology.ts'
import { recordSecret } from '../support/run-records.ts'
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
    const set = await startRedisCluster({ masters: 3, replicasPerMaster: 0 })
    cleanUp(() => set.stop())
    await expectToServe(set.url)
  })

  it('serves from the master that Sentinel names', async () => {
    const set = await startSentinelSet({ replicas: 0, sentinels: 1 })
    cleanUp(() => set.stop())
    await expectToServe(set.url)
  })

  it('serves from a master and a Sentinel that both speak TLS only and have passwords of their own', async () => {
    const port = await freePort()
    const [ofServer, ofSentinel] = ['the-servers-word', 'the-sentinels-word']
    await redis({ config: { ...tlsConfig(port), requirepass: ofServer, masterauth: ofServer } })
    const sentinel = await startSentinel('shop', port, [
      'port 0',
      ...Object.entries(tlsConfig(await freePort())).map((line) => line.join(' ')),
      'tls-replication yes',
      `requirepass ${ofSentinel}`,
      `sentinel auth-pass shop ${ofServer}`,
    ])
    const trust = { NODE_EXTRA_CA_CERTS: path.join(tls, 'certificate.pem') }
    const url = (password: string) =>
      `rediss+sentinel://:${ofServer}@localhost:${sentinel}/shop?sentinelPassword=${password}`
    recordSecret(ofSentinel)
    await expectToServe(url(ofSentinel), trust)

    const { code, output } = await refusedStart({ redisUrl: url('another-word'), env: trust })
    expect(code).to.equal(78)
    expect(output).to.contain('the Sentinels want another password')
    expect(output).to.contain(`rediss+sentinel://[redacted]@localhost:${sentinel}/shop?[redacted]`)
    expect(output).not.to.contain('another-word')
  })

  it('serves over TLS, and refuses a certificate that nobody vouches for', async () => {
    const port = await freePort()
    await redis({ config: tlsConfig(port) })
    const redisUrl = `rediss://localhost:${port}`
    await expectToServe(redisUrl, { NODE_EXTRA_CA_CERTS: path.join(tls, 'certificate.pem') })

    const { code, output } = await refusedStart({ redisUrl })
    expect(code).to.equal(1)
    expect(output).to.contain(redisUrl).and.contain('self-signed certificate')
  })

  function tlsConfig(port: number) {
    return {
      'tls-port': String(port),
      'tls-cert-file': path.join(tls, 'certificate.pem'),
      'tls-key-file': path.join(tls, 'key.pem'),
      'tls-ca-cert-file': path.join(tls, 'certificate.pem'),
      'tls-auth-clients': 'no',
    }
  }

  /** Gives the port at which it takes TLS. */
  async function startSentinel(name: string, masterPort: number, lines: readonly string[]): Promise<number> {
    const directory = await mkdtemp(path.join(tmpdir(), 'lockstep-sentinel-'))
    const file = path.join(directory, 'sentinel.conf')
    const monitor = `sentinel monitor ${name} 127.0.0.1 ${masterPort} 1`
    const [head, tail] = [lines.slice(0, -1), lines.slice(-1)]
    await writeFile(file, [`dir ${directory}`, ...head, monitor, ...tail, ''].join('\n'))
    const [program = '', ...args] = commandOf(await testRedisServer())
    const child = spawn(program, [...args, file, '--sentinel'], { stdio: 'ignore' })
    trackChild(child.pid ?? 0, 'the Sentinel of a test')
    cleanUp(async () => {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
      await rm(directory, { recursive: true, force: true })
    })
    return Number(lines.find((line) => line.startsWith('tls-port '))?.split(' ')[1])
  }
})
