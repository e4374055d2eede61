import { expect } from 'chai'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { onEveryWorker, sendAs, signIn, type SignedIn, type send } from '../support/http.ts'

const home = '/admin/queues'

describe('the dashboard of a cluster', function () {
  this.timeout(30_000)
  let cluster: TestCluster
  let administrator: SignedIn
  const operator = { email: 'operator@example.com', password: 'operators turn every handle' }

  before(async () => {
    cluster = await startCluster({ workers: 3, env: withoutLimits })
    administrator = await signIn(cluster.url, { ...admin, transport: 'token' })
    const body = { ...operator, name: 'Otto', roles: ['operator'] }
    await administrator.send('/api/v1/admin/users', { method: 'POST', body })
  })
  after(() => cluster?.stop())

  async function statuses(request: () => ReturnType<typeof send>): Promise<number[]> {
    return [...(await onEveryWorker(3, request)).values()].map(({ status }) => status)
  }

  it('is closed on every worker when a logout on one of them is answered', async () => {
    const person = await signIn(cluster.url, operator)
    const look = () => person.send(`${home}/api/queues`)
    const act = () => person.send(`${home}/api/queues/echo/resume`, { method: 'PUT' })
    expect(await statuses(look)).to.deep.equal([200, 200, 200])
    expect(await statuses(act)).to.deep.equal([200, 200, 200])

    const out = await sendAs(cluster.url, '/sign-out', person, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(out.status).to.equal(303)
    expect(await statuses(look)).to.deep.equal([401, 401, 401])
    expect(await statuses(act)).to.deep.equal([401, 401, 401])
    expect(await statuses(() => person.send(home))).to.deep.equal([303, 303, 303])
  })

  it('is closed to who loses the role, on every worker', async () => {
    const person = await signIn(cluster.url, operator)
    const act = () => person.send(`${home}/api/queues/echo/resume`, { method: 'PUT' })
    expect(await statuses(act)).to.deep.equal([200, 200, 200])
    const { id } = person.login.json().user
    const body = { roles: ['user'] }
    await administrator.send(`/api/v1/admin/users/${id}`, { method: 'PATCH', body })
    expect(await statuses(act)).to.deep.equal([403, 403, 403])
    expect(await statuses(() => person.send(home))).to.deep.equal([403, 403, 403])
  })

  it('leaves a trail that outlives the workers', async () => {
    await administrator.send(`${home}/api/queues/echo/pause`, { method: 'PUT' })
    await administrator.send(`${home}/api/queues/echo/resume`, { method: 'PUT' })
    const before = cluster.workerPids()
    cluster.signal('SIGHUP')
    await eventually(() => {
      const now = cluster.workerPids()
      for (const [slot, pid] of before) expect(now.get(slot), `worker ${slot}`).not.to.equal(pid)
    }, 20_000)
    const trail = await administrator.send('/api/v1/admin/audit?action=queue-action&limit=2')
    expect(trail.json().entries.map(({ details }: { details: object }) => details)).to.deep.equal([
      { action: 'resume', queue: 'echo', outcome: 'done' },
      { action: 'pause', queue: 'echo', outcome: 'done' },
    ])
  })
})
