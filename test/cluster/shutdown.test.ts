import { expect } from 'chai'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isAlive } from '../support/children.ts'
import { admin, startCluster } from '../support/cluster.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { send, sendAs, signIn } from '../support/http.ts'

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
