import { expect } from 'chai'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { coherenceKeys } from '../../shared/coherence/index.ts'
import { applicationWithRoutes, makeApplicationFolder } from '../support/application-folder.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { admin, startCluster } from '../support/cluster.ts'
import { keysOfServer } from '../support/deployment-keys.ts'
import { eventually } from '../support/eventually.ts'
import { send, sendAs, signIn } from '../support/http.ts'
import { startRedis } from '../support/redis.ts'

describe('a worker that was killed', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  it('is nobody any more whose word a logout waits for', async () => {
    const redis = await startRedis()
    cleanUp(() => redis.stop())
    const cluster = await startCluster({ workers: 2, redisUrl: redis.url })
    cleanUp(() => cluster.stop())
    const connection = openRedis({ kind: 'single', url: redis.url }, 'commands')
    cleanUp(() => connection.disconnect())
    const { members } = coherenceKeys((await keysOfServer(connection)).sessions)
    const membersAt = async (place: string) => {
      const fields = await connection.hkeys(members)
      return fields.filter((field) => field.includes(`:${place}:`))
    }

    const [dead] = await membersAt('web-2')
    expect(dead).to.be.a('string')
    const others = await membersAt('web-1')
    cluster.signalWorker(2, 'SIGKILL')
    // Nobody logs out here, so that no revoker finds out by its silence.
    await eventually(async () => expect(await membersAt('web-2')).to.not.include(dead))
    expect(await membersAt('web-1')).to.deep.equal(others)
  })
})

describe('a worker that hangs', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  it('is told from its stack, killed and replaced, while the others answer', async () => {
    const folder = await makeApplicationFolder({
      'app.js': applicationWithRoutes({ '/spin': `function spinForEver() { for (;;) Math.random() }` }),
    })
    cleanUp(() => folder.remove())
    const cluster = await startCluster({ workers: 2, applicationFile: 'app.js', cwd: folder.path })
    cleanUp(() => cluster.stop())
    const { token } = await signIn(cluster.url, admin)
    const before = cluster.workerPids()

    const spinning = send(`${cluster.url}/spin`, { timeoutMs: 40_000 }).catch((cause: unknown) => cause)
    // Only one answers for now: the request that a hung worker has been given waits with it, so each has its own.
    await eventually(async () => {
      const answer = await sendAs(cluster.url, '/api/v1/auth/me', { token }, { timeoutMs: 1_000 })
      expect(answer.status).to.equal(200)
    }, 10_000)

    const killed = await eventually(() => {
      const line = cluster.logged().find(({ msg }) => msg === 'worker hangs and is killed')
      expect(line).to.include({ role: 'web' })
      return line as Record<string, any>
    }, 30_000)
    const stalled = cluster.logged().find(({ msg }) => msg === 'the event loop stands still')
    expect(stalled?.worker).to.equal(String(killed.slot))
    expect(stalled?.stack[0]).to.match(/^spinForEver \(file:.*app\.js:\d+:\d+\)$/)
    expect(killed.system.State).to.equal('R (running)')

    await eventually(() => {
      const now = cluster.workerPids()
      expect(now.get(killed.slot)).to.not.equal(before.get(killed.slot))
      expect(now.get(3 - killed.slot)).to.equal(before.get(3 - killed.slot))
    }, 10_000)
    expect(await spinning).to.be.an('error')

    // The dead one is off the list of those whose word a logout waits for.
    const logout = await sendAs(
      cluster.url,
      '/api/v1/auth/logout',
      { token, bearer: true },
      { method: 'POST' },
    )
    expect(logout.status).to.equal(204)
  })
})
