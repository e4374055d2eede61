import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { z } from 'zod'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { defineJob } from '../../shared/queues/job.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { createScheduleRegistry } from '../../shared/queues/schedule-registry.ts'
import { defineSchedule } from '../../shared/queues/schedule.ts'
import { openRedis } from '../../shared/kernel/redis/connections.ts'
import { jobs } from '../../workers/jobs.ts'
import { eventually } from '../support/eventually.ts'
import { startHttpApp, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const report = defineJob({
  name: 'report',
  payload: z.strictObject({}),
  enqueue: ['operator', 'admin'],
  handler: async () => {},
})

/** Redis loses everything below, which closes sign-in under its limits. */
const withoutLoginLimits = { LIMIT_LOGIN_IP: 'off', LIMIT_LOGIN_ACCOUNT: 'off' }

describe('The routes of jobs', () => {
  let server: TestRedis
  let redis: Redis
  let queues: Queues
  let app: HttpApp
  let ada: string
  let eve: string
  let operator: string

  const ask = (bearer: string, name: string, json: unknown) =>
    app.request('POST', `/api/v1/jobs/${name}`, { bearer, json })
  const look = (bearer: string, path: string) => app.request('GET', `/api/v1/jobs/${path}`, { bearer })

  before(async () => {
    server = await startRedis()
    redis = openRedis({ kind: 'single', url: server.url }, 'commands')
    queues = createQueues({ redis, jobs: [...jobs, report], timeoutMs: 500 })
    await queues.start()
    app = await startHttpApp({ redisUrl: server.url, jobs: [...jobs, report], env: withoutLoginLimits })
    await app.register('ada@example.com')
    await app.register('eve@example.com')
    await app.register('operator@example.com', ['operator'])
    ada = await app.signIn('ada@example.com')
    eve = await app.signIn('eve@example.com')
    operator = await app.signIn('operator@example.com')
  })
  after(async () => {
    await app.stop()
    await queues.stop(deadlineIn(1_000))
    redis.disconnect()
    await server.stop()
  })

  it('take a job and show it to who asked for it', async () => {
    const taken = await ask(ada, 'echo', { data: { message: 'hi' } })
    expect(taken.status).to.equal(202)
    const { id } = taken.json()
    expect(taken.headers.location).to.equal(`/api/v1/jobs/echo/${id}`)
    const shown = await look(ada, `echo/${id}`)
    expect(shown.status).to.equal(200)
    expect(shown.json()).to.deep.equal({ id, name: 'echo', state: 'waiting', progress: 0 })
  })

  it('show a job to operators too, and to nobody else', async () => {
    const { id } = (await ask(ada, 'echo', { data: { message: 'hi' } })).json()
    expect((await look(operator, `echo/${id}`)).status).to.equal(200)
    expect((await look(eve, `echo/${id}`)).status).to.equal(404)
    expect((await app.request('GET', `/api/v1/jobs/echo/${id}`)).status).to.equal(401)
  })

  it('cancel a job for who asked for it and for operators, and for nobody else', async () => {
    const drop = (bearer: string, path: string) => app.request('DELETE', `/api/v1/jobs/${path}`, { bearer })
    const [mine, theirs] = [
      (await ask(ada, 'echo', { data: { message: 'mine' } })).json().id,
      (await ask(ada, 'echo', { data: { message: 'theirs' }, delayMs: 60_000 })).json().id,
    ]
    expect((await drop(eve, `echo/${mine}`)).status).to.equal(404)
    expect((await drop(ada, `echo/${mine}`)).json()).to.deep.equal({ outcome: 'cancelled' })
    expect((await drop(operator, `echo/${theirs}`)).json()).to.deep.equal({ outcome: 'cancelled' })
    expect((await look(ada, `echo/${mine}`)).json()).to.include({
      state: 'cancelled',
      failedReason: 'cancelled: by who asked for it',
    })
    expect((await look(ada, `echo/${theirs}`)).json()).to.include({
      failedReason: 'cancelled: by an operator',
    })
    expect((await drop(ada, 'echo/nothing')).status).to.equal(404)
    expect((await drop(ada, 'nothing/1')).status).to.equal(404)
  })

  it('take a job only from the roles that it names, and some from nobody', async () => {
    expect((await ask(ada, 'report', {})).status).to.equal(403)
    expect((await ask(operator, 'report', {})).status).to.equal(202)
    expect((await ask(operator, 'mail', { data: { to: 'a', subject: 'b', text: 'c' } })).status).to.equal(404)
    expect((await ask(ada, 'nothing', {})).status).to.equal(404)
    expect((await app.request('POST', '/api/v1/jobs/echo', { json: {} })).status).to.equal(401)
  })

  it('name each field that is wrong', async () => {
    const fieldsOf = async (json: unknown) => {
      const answer = await ask(ada, 'echo', json)
      expect(answer.status).to.equal(422)
      return answer.json().errors.map((error: { field: string }) => error.field)
    }
    expect(await fieldsOf({ data: { message: 1, loud: true } })).to.have.members([
      'data.message',
      'data.loud',
    ])
    expect(await fieldsOf({})).to.deep.equal(['data.message'])
    expect(await fieldsOf({ data: 'hi' })).to.deep.equal(['data'])
    expect(await fieldsOf({ data: { message: 'hi' }, delayMs: -1, repeat: {} })).to.have.members([
      'delayMs',
      'repeat',
    ])
  })

  it('answer the same id to one key, and to each user another', async () => {
    const json = { data: { message: 'once' }, dedupeKey: 'order:7' }
    const [first, second, other] = [
      await ask(ada, 'echo', json),
      await ask(ada, 'echo', json),
      await ask(eve, 'echo', json),
    ]
    expect(second?.json()).to.deep.equal(first?.json())
    expect(other?.json().id).not.to.equal(first?.json().id)
  })

  it('answer 409 when one dedupeKey is used for other data', async () => {
    const dedupeKey = 'order:8'
    expect((await ask(ada, 'echo', { data: { message: 'one' }, dedupeKey })).status).to.equal(202)
    const other = await ask(ada, 'echo', { data: { message: 'another' }, dedupeKey })
    expect(other.status).to.equal(409)
    expect(other.json().type).to.equal('conflict')
    expect((await ask(eve, 'echo', { data: { message: 'another' }, dedupeKey })).status).to.equal(202)
  })

  it('find nothing under hostile ids', async () => {
    for (const id of ['..%2Fmeta', 'x%3Alock', '%00', 'a'.repeat(300)]) {
      expect((await look(operator, `echo/${id}`)).status).to.be.within(400, 499)
    }
    expect((await look(operator, '__proto__/x')).status).to.equal(404)
  })

  it('show the schedules in force to those who may read the dashboard', async () => {
    const schedule = defineSchedule({
      name: 'hourly',
      job: report,
      pattern: '0 * * * *',
      misfire: 'skip',
      overlap: 'forbid',
    })
    const log = pino({ level: 'silent' })
    await createScheduleRegistry({ redis, queues, schedules: [schedule], log }).reconcile()
    expect((await app.request('GET', '/api/v1/admin/schedules', { bearer: ada })).status).to.equal(403)
    const answer = await app.request('GET', '/api/v1/admin/schedules', { bearer: operator })
    expect(answer.status).to.equal(200)
    const [shown] = answer.json().schedules
    expect(shown).to.deep.include({ name: 'hourly', pattern: '0 * * * *', timezone: 'UTC', lastRun: null })
    expect(shown.next).to.have.length(5)
    expect(shown.next.every((tick: string) => tick.endsWith(':00:00.000Z'))).to.equal(true)
  })

  it('answer 503 while Redis is away, and work again afterwards', async () => {
    await server.kill('SIGKILL')
    const refused = await ask(ada, 'echo', { data: { message: 'hi' } })
    expect(refused.status).to.equal(503)
    expect(refused.headers['retry-after']).to.match(/^\d+$/)
    await server.restart()
    await app.register('bob@example.com')
    const bob = await eventually(() => app.signIn('bob@example.com'), 10_000)
    await eventually(async () =>
      expect((await ask(bob, 'echo', { data: { message: 'hi' } })).status).to.equal(202),
    )
  })

  it('let operators pause, resume and run a schedule now, and nobody else', async () => {
    ada = await app.signIn('ada@example.com')
    operator = await app.signIn('operator@example.com')
    const log = pino({ level: 'silent' })
    const nightly = defineSchedule({
      name: 'nightly',
      job: report,
      pattern: '0 3 * * *',
      misfire: 'skip',
      overlap: 'forbid',
    })
    await createScheduleRegistry({ redis, queues, schedules: [nightly], log }).reconcile()
    const act = (bearer: string, path: string) =>
      app.request('POST', `/api/v1/admin/schedules/${path}`, { bearer })
    for (const action of ['run', 'pause', 'resume']) {
      expect((await act(ada, `nightly/${action}`)).status).to.equal(403)
      expect((await act(operator, `nothing/${action}`)).status).to.equal(404)
    }
    const shown = async () => {
      const answer = await app.request('GET', '/api/v1/admin/schedules', { bearer: operator })
      return answer.json().schedules.find(({ name }: { name: string }) => name === 'nightly')
    }
    expect((await act(operator, 'nightly/pause')).status).to.equal(204)
    expect(await shown()).to.include({ paused: true })
    expect((await act(operator, 'nightly/resume')).status).to.equal(204)
    expect(await shown()).to.include({ paused: false })
    const run = await act(operator, 'nightly/run')
    expect(run.status, run.text).to.equal(202)
    expect((await look(operator, `report/${run.json().id}`)).status).to.equal(200)
    expect((await act(operator, 'nightly/run')).status).to.equal(409)
  })

  it('list the jobs that failed for good to viewers, and have them done again for operators', async () => {
    const failed = (bearer: string, query: string) =>
      app.request('GET', `/api/v1/admin/failed-jobs?${query}`, { bearer })
    const retry = (bearer: string, json: object) =>
      app.request('POST', '/api/v1/admin/failed-jobs/retry', { bearer, json })
    const { id } = await queues.enqueue(report, {})
    await queues.bull('report').getJob(id)
    await redis.hset(`{lockstep}:report:${id}`, { failedReason: 'no paper', finishedOn: Date.now() })
    await redis.lrem('{lockstep}:report:wait', 1, id)
    await redis.zadd('{lockstep}:report:failed', Date.now(), id)
    expect((await failed(ada, 'job=report')).status).to.equal(403)
    expect((await retry(ada, { job: 'report' })).status).to.equal(403)
    expect((await failed(operator, 'job=nothing')).status).to.equal(404)
    expect((await failed(operator, 'job=report&reason=ink')).json()).to.deep.equal({ jobs: [] })
    const found = await failed(operator, 'job=report&reason=paper&limit=5')
    expect(found.json().jobs[0], found.text).to.include({ id, reason: 'no paper' })
    const again = await retry(operator, { job: 'report', reason: 'paper' })
    expect(again.json(), again.text).to.deep.equal({ retried: 1, skipped: 0 })
    expect((await queues.find('report', id))?.state).to.equal('waiting')
  })
})
