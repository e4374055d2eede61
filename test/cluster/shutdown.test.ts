import { expect } from 'chai'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isAlive } from '../support/children.ts'
import { admin, startCluster, withoutLimits } from '../support/cluster.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { send, sendAs, signIn } from '../support/http.ts'
import { flood } from '../support/load.ts'

describe('Ctrl-C, which reaches every process of the terminal', function () {
  this.timeout(30_000)
  const afterwards = cleanUpAfterEach()

  it('ends the server cleanly within GRACE, and the request in flight is answered and kept', async () => {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'lockstep-shutdown-'))
    afterwards(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }))
    const cluster = await startCluster({ dataDir, ownGroup: true, env: { GRACE: '10s' } })
    afterwards(() => cluster.kill())
    const person = await signIn(cluster.url, admin)
    const pids = [cluster.primaryPid, ...cluster.workerPids().values()]
    const write = await person.hold('/api/v1/session', { method: 'PATCH', body: { cart: ['kept'] } })

    process.kill(-cluster.primaryPid, 'SIGINT')
    await eventually(async () => {
      const refused = await send(`${cluster.url}/livez`).catch(({ code }: NodeJS.ErrnoException) => code)
      expect(refused, 'new connections').to.equal('ECONNREFUSED')
    })
    const answer = await write.finish()
    expect(answer.status).to.equal(200)
    expect(answer.headers.connection).to.equal('close')

    expect(await cluster.exited).to.equal(0)
    expect(pids.filter(isAlive)).to.deep.equal([])
    const log = await stat(path.join(dataDir, 'accounts.sqlite-wal')).catch(() => null)
    expect(log?.size ?? 0, 'changes of accounts beside their file').to.equal(0)
    expect(cluster.logged().at(-1)).to.include({ msg: 'stopped', process: 'primary' })
    expect(cluster.logged().filter(({ level }) => ['error', 'fatal'].includes(level))).to.deep.equal([])

    const next = await startCluster({ dataDir })
    afterwards(() => next.kill())
    const data = await sendAs(next.url, '/api/v1/session', person)
    expect(data.json()).to.deep.equal({ data: { cart: ['kept'] } })
    await next.stop()
  })

  it('loses no request of a balancer that goes by /readyz: it is told before anything is closed', async () => {
    const cluster = await startCluster({ env: { ...withoutLimits, DRAIN_DELAY: '3s' } })
    afterwards(() => cluster.kill())
    const load = flood(`${cluster.url}/livez`, 4)
    const ready = async () => (await send(`${cluster.url}/readyz`)).status
    expect(await ready()).to.equal(200)
    cluster.signal('SIGTERM')
    await eventually(async () => expect(await ready()).to.equal(503))

    // The balancer has noticed, but what it had sent already, and what others send, is served.
    const person = await signIn(cluster.url, admin)
    expect((await sendAs(cluster.url, '/api/v1/auth/me', person)).status).to.equal(200)
    expect((await send(`${cluster.url}/startupz`)).status).to.equal(200)
    const body = (await send(`${cluster.url}/readyz`)).json()
    expect(body).to.include({ type: 'not-ready', detail: 'this worker is draining' })
    expect(await load.stop()).to.deep.equal([])
    expect(await cluster.exited).to.equal(0)
  })

  it('does not wait for balancers when it is asked to stop at once', async () => {
    const cluster = await startCluster({ env: { DRAIN_DELAY: '10m' } })
    afterwards(() => cluster.kill())
    cluster.signal('SIGTERM')
    await eventually(() => expect(cluster.output()).to.contain('readiness is off for load balancers'))
    await eventually(() => {
      cluster.signal('SIGINT')
      expect(cluster.output()).to.contain('stopping at once')
    })
    expect(await cluster.exited).to.equal(130)
  })

  it('does not wait longer than GRACE for a client that never finishes', async () => {
    const cluster = await startCluster({ ownGroup: true, env: { GRACE: '500ms' } })
    afterwards(() => cluster.kill())
    const person = await signIn(cluster.url, admin)
    const write = await person.hold('/api/v1/session', { method: 'PATCH', body: { cart: [] } })
    process.kill(-cluster.primaryPid, 'SIGINT')
    expect(await cluster.exited).to.equal(0)
    expect(await write.finish().catch((failure: Error) => failure)).to.be.instanceOf(Error)
  })
})
