import { expect } from 'chai'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { admin, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { signIn } from '../support/http.ts'
import { startSentinelSet } from '../support/redis-topology.ts'
import { verdicts } from '../support/users.ts'

describe('The server in mode failover', function () {
  this.timeout(120_000)
  const cleanUp = cleanUpAfterEach()

  it('keeps people signed in when the primary is killed, lets new ones in, and revives nobody', async () => {
    const set = await startSentinelSet()
    cleanUp(() => set.stop())
    const cluster = await startCluster({
      redisUrl: set.url,
      env: { SESSION_DURABILITY: 'failover', REDIS_NODES: '3', LIMIT_API: 'off' },
    })
    cleanUp(() => cluster.stop())
    const staying = await signIn(cluster.url, { ...admin, transport: 'token' })
    const leaving = await signIn(cluster.url, { ...admin, transport: 'token' })
    expect(await verdicts(cluster, staying)).to.deep.equal([200, 200])
    expect((await leaving.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)

    await (await set.primary()).kill()
    await eventually(async () => expect(await verdicts(cluster, staying)).to.include(503))
    await eventually(async () => expect(await verdicts(cluster, staying)).to.deep.equal([200, 200]), 60_000)
    expect(await verdicts(cluster, leaving)).to.deep.equal([401, 401])
    const arriving = await signIn(cluster.url, { ...admin, transport: 'token' })
    expect(await verdicts(cluster, arriving)).to.deep.equal([200, 200])
    expect((await staying.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
    expect(await verdicts(cluster, staying)).to.deep.equal([401, 401])
  })
})
