/** Jobs on behalf of a session on a real job worker: what its death, a stop and a restart of Redis change about them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { makeApplicationFolder, type ApplicationFolder } from '../support/application-folder.ts'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { signIn, type SignedIn } from '../support/http.ts'

const application = `
import { appendFileSync } from 'node:fs'
import { defineApp, defineJob, defineRoute, z } from 'lockstep'

const hold = defineJob({
  name: 'hold',
  payload: z.strictObject({ name: z.string() }),
  async handler({ data, signal }) {
    const note = (event) => appendFileSync('runs', JSON.stringify({ name: data.name, event, at: Date.now() }) + '\\n')
    note('started')
    signal.addEventListener('abort', () => note('aborted'))
    await new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  },
})

export default defineApp({
  name: 'behalf',
  jobs: [hold],
  routes: [defineRoute({
    method: 'POST', path: '/hold', access: 'signed-in', limits: [], summary: 'Hold',
    body: z.strictObject({ name: z.string() }),
    replies: { 202: { description: 'The job', body: z.strictObject({ id: z.string() }) } },
    async handler(ctx, { body }, { queues }) {
      ctx.status = 202
      ctx.body = { id: await queues.enqueue(hold, body, { onBehalfOf: 'session' }) }
    },
  })],
})
`

describe('a job on behalf of a session on a real job worker', function () {
  this.timeout(90_000)
  let folder: ApplicationFolder
  let cluster: TestCluster
  let operator: SignedIn

  before(async () => {
    folder = await makeApplicationFolder({ 'app.js': application })
    cluster = await startCluster({
      applicationFile: './app.js',
      cwd: folder.path,
      jobWorkers: 1,
      env: withoutLimits,
    })
    operator = await signedIn()
  })
  after(async () => {
    await cluster?.stop()
    await folder?.remove()
  })

  const signedIn = () => signIn(cluster.url, { ...admin, transport: 'token' })

  async function runsOf(name: string): Promise<{ event: string; at: number }[]> {
    const text = await readFile(join(folder.path, 'runs'), 'utf8').catch(() => '')
    const lines = text.split('\n').filter((line) => line !== '')
    return lines.map((line) => JSON.parse(line)).filter((run) => run.name === name)
  }

  async function startHolding(session: SignedIn, name: string): Promise<string> {
    const asked = await session.send('/hold', { method: 'POST', body: { name } })
    expect(asked.status).to.equal(202)
    await eventually(async () => expect(await runsOf(name)).to.have.length(1), 30_000)
    return asked.json().id
  }

  const logOut = (session: SignedIn) =>
    eventually(async () => {
      const answer = await session.send('/api/v1/auth/logout', { method: 'POST' })
      expect(answer.status).to.equal(204)
    }, 30_000)

  const isCancelled = (id: string) =>
    eventually(async () => {
      const job = await operator.send(`/api/v1/jobs/hold/${id}`)
      expect(job.json()).to.include({ state: 'cancelled', failedReason: 'cancelled: the session has ended' })
    }, 40_000)

  function jobWorker(): number {
    return cluster.workerPids('jobs').get(1) as number
  }

  it('whose session ended while its worker was dead is cancelled and not run when there is one again', async () => {
    const session = await signedIn()
    const id = await startHolding(session, 'dead')
    process.kill(jobWorker(), 'SIGKILL')
    await logOut(session)
    await isCancelled(id)
    expect((await runsOf('dead')).map(({ event }) => event)).to.deep.equal(['started'])
  })

  it('on a worker that is stopped during the logout is told when the worker goes on', async () => {
    const session = await signedIn()
    const id = await startHolding(session, 'stopped')
    const pid = jobWorker()
    process.kill(pid, 'SIGSTOP')
    try {
      await logOut(session)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await isCancelled(id)
    expect((await runsOf('stopped')).map(({ event }) => event)).to.deep.equal(['started', 'aborted'])
  })

  it('goes on over a restart of Redis that keeps its sessions, and still ends with its own', async () => {
    const session = await signedIn()
    const id = await startHolding(session, 'restart')
    const started = cluster.logged().findLast(({ redisPid }) => redisPid !== undefined)
    process.kill(Number(started?.redisPid), 'SIGKILL')
    await eventually(async () => {
      expect((await session.send('/api/v1/auth/me')).status).to.equal(200)
    }, 30_000)
    // The worker has found the new Redis by the time that it would have been told.
    await pause(2_000)
    expect((await runsOf('restart')).map(({ event }) => event)).to.deep.equal(['started'])
    const before = Date.now()
    await logOut(session)
    await eventually(async () => expect((await runsOf('restart')).at(-1)).to.include({ event: 'aborted' }))
    expect((await runsOf('restart')).at(-1)?.at).to.be.at.least(before)
    await isCancelled(id)
  })

  it('ends with the account that is disabled', async () => {
    const email = 'worker@example.com'
    const password = 'five-Herons-under-the-4th-pier'
    const made = await operator.send('/api/v1/admin/users', {
      method: 'POST',
      body: { email, name: 'Worker', password, roles: ['user'] },
    })
    expect(made.status, made.body).to.equal(201)
    const session = await signIn(cluster.url, { email, password, transport: 'token' })
    const id = await startHolding(session, 'disabled')
    const disabled = await operator.send(`/api/v1/admin/users/${made.json().id ?? made.json().user?.id}`, {
      method: 'PATCH',
      body: { disabled: true },
    })
    expect(disabled.status, disabled.body).to.equal(200)
    expect((await runsOf('disabled')).at(-1)).to.include({ event: 'aborted' })
    await isCancelled(id)
  })
})
