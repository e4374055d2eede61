import { expect } from 'chai'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { z } from 'zod'
import { deadlineIn, group, type Service } from '../../shared/kernel/lifecycle.ts'
import { createJobWorkers } from '../../shared/queues/job-workers.ts'
import { defineJob } from '../../shared/queues/job.ts'
import { createQueues, type Queues } from '../../shared/queues/queues.ts'
import { createScheduleRegistry } from '../../shared/queues/schedule-registry.ts'
import { defineSchedule } from '../../shared/queues/schedule.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { jobs as ownJobs } from '../../workers/jobs.ts'
import { mail } from '../../workers/jobs/mail.ts'
import { eventually } from '../support/eventually.ts'
import { startHttpApp, type Answer, type HttpApp } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const secret = 'key "to" the/vault'

/** Says what it was working on wherever a handler can. */
const letter = defineJob({
  name: 'letter',
  payload: z.strictObject({ to: z.string(), text: z.string(), nested: z.unknown().optional() }),
  enqueue: ['operator', 'admin'],
  secretFields: ['text'],
  attempts: 1,
  async handler({ data, progress }) {
    await progress({ step: 1, text: data.text })
    if (data.to === 'nobody') throw new Error(`could not send ${JSON.stringify(data)}`)
    return { sent: data.text, password: 'given', link: `https://a.example/x?token=${data.text}` }
  },
})
const idle = defineJob({
  name: 'idle',
  payload: z.strictObject({ n: z.number() }),
  enqueue: ['operator', 'admin'],
  handler: async () => {},
})
/** Retried and cloned by those who may ask for it, operators not among them. */
const payout = defineJob({
  name: 'payout',
  payload: z.strictObject({ n: z.number() }),
  enqueue: ['admin'],
  attempts: 1,
  handler: async () => {
    throw new Error('the bank is closed')
  },
})

describe('The dashboard of queues', function () {
  this.timeout(30_000)
  let server: TestRedis
  let redis: Redis
  let app: HttpApp
  let queues: Queues
  let services: Service
  const tokens: Record<string, string> = {}
  const ids: Record<string, string> = {}

  before(async () => {
    server = await startRedis()
    const jobs = [letter, idle, payout, ...ownJobs]
    app = await startHttpApp({ redisUrl: server.url, jobs })
    redis = openRedis({ kind: 'single', url: server.url }, 'commands')
    queues = createQueues({ redis, jobs })
    const log = pino({ level: 'silent' })
    const schedule = defineSchedule({
      name: 'letters',
      job: letter,
      data: { to: 'ada', text: secret },
      pattern: '0 0 1 1 *',
      misfire: 'skip',
      overlap: 'allow',
    })
    const workers = createJobWorkers({
      connect: () => openRedis({ kind: 'single', url: server.url }, 'blocking'),
      queues,
      jobs: [letter, payout],
      services: undefined,
      log,
    })
    const registry = createScheduleRegistry({ redis, queues, schedules: [schedule], log })
    services = group([redisService(redis), queues, registry, workers])
    await services.start()

    for (const role of ['user', 'viewer', 'operator', 'admin'] as const) {
      ids[role] = (await app.register(`${role}@example.com`, [role])).id
      tokens[role] = await app.signIn(`${role}@example.com`)
    }
  })
  after(async () => {
    await services.stop(deadlineIn(2_000))
    await app.stop()
    await server.stop()
  })

  const home = '/admin/queues'

  function ask(role: string | null, path: string, method = 'GET', json?: object): Promise<Answer> {
    const credential = role === null ? {} : { cookie: tokens[role]! }
    return app.request(method, `${home}${path}`, { ...credential, ...(json ? { json } : {}) })
  }

  async function finished(payload: { to: string; text: string; nested?: unknown }): Promise<string> {
    const { id } = await queues.enqueue(letter, payload)
    await eventually(async () =>
      expect((await queues.find('letter', id))?.state).to.be.oneOf(['completed', 'failed']),
    )
    return id
  }

  function expectProblem(answer: Answer, status: number, type?: string): void {
    expect(answer.status, answer.text).to.equal(status)
    expect(answer.headers['content-type']).to.match(/^application\/problem\+json/)
    if (type) expect(answer.json().type).to.equal(type)
  }

  async function newestAction(): Promise<Record<string, any>> {
    const path = '/api/v1/admin/audit?action=queue-action&limit=1'
    const answer = await app.request('GET', path, { bearer: tokens['admin']! })
    return answer.json().entries[0] ?? {}
  }

  describe('lets in', () => {
    it('nobody who is not signed in: pages lead to the sign-in page, all else is a 401', async () => {
      for (const path of ['', '/', '/queue/letter', '/queue/letter/1?x=1', '/job-schedulers']) {
        const answer = await ask(null, path)
        expect(answer.status).to.equal(303)
        const target = new URL(answer.headers.location!, `https://x.example${home}${path}`)
        expect(target.pathname).to.equal('/sign-in')
        expect(target.searchParams.get('next')).to.equal(`${home}${path}`)
      }
      expectProblem(await ask(null, '/api/queues'), 401, 'unauthenticated')
      expectProblem(await ask(null, '/static/board-page.js'), 401)
      expectProblem(await ask(null, '/api/queues/letter/add', 'POST', {}), 401)
    })

    it('nobody without a role for it', async () => {
      const page = await ask('user', '')
      expect(page.status).to.equal(403)
      expect(page.headers['content-type']).to.match(/^text\/html/)
      expect(page.text).to.include('Not allowed')
      expectProblem(await ask('user', '/api/queues'), 403, 'forbidden')
      expectProblem(await ask('user', '/api/queues/letter/pause', 'PUT'), 403)
    })

    it('a viewer to look, and shows no buttons', async () => {
      expect((await ask('viewer', '')).status).to.equal(200)
      const answer = await ask('viewer', '/api/queues')
      expect(answer.status).to.equal(200)
      expect(answer.headers['cache-control']).to.equal('no-store')
      const shown = answer.json().queues
      expect(shown.map(({ name }: { name: string }) => name)).to.include.members([
        'letter',
        'idle',
        'schedules',
      ])
      for (const queue of shown) {
        expect(queue).to.include({ readOnlyMode: true, allowRetries: false, hasWorkers: null })
      }
    })

    it('a viewer to do nothing, whatever the method', async () => {
      const id = await finished({ to: 'nobody', text: 'x' })
      const attempts: [method: string, path: string][] = [
        ['PUT', `/letter/${id}/retry`],
        ['PUT', `/letter/${id}/clean`],
        ['PUT', '/letter/pause'],
        ['PUT', '/pause'],
        ['PUT', '/letter/obliterate'],
        ['PATCH', `/letter/${id}/update-data`],
        ['POST', '/letter/add'],
      ]
      for (const [method, path] of attempts) {
        expectProblem(await ask('viewer', `/api/queues${path}`, method, {}), 403, 'forbidden')
      }
      expect((await queues.find('letter', id))?.state).to.equal('failed')
    })

    it('nobody after a logout elsewhere, from that moment on', async () => {
      const token = await app.signIn('operator@example.com')
      const look = () => app.request('GET', `${home}/api/queues`, { cookie: token })
      expect((await look()).status).to.equal(200)
      await app.request('POST', '/api/v1/auth/logout', { bearer: token })
      expectProblem(await look(), 401, 'unauthenticated')
      const act = app.request('PUT', `${home}/api/queues/letter/pause`, { cookie: token })
      expectProblem(await act, 401)
    })

    it('nobody whose role was taken away, from that moment on', async () => {
      const { id } = await app.register('temp@example.com', ['operator'])
      const cookie = await app.signIn('temp@example.com')
      const act = () => app.request('PUT', `${home}/api/queues/idle/resume`, { cookie })
      expect((await act()).status).to.equal(200)
      const json = { roles: ['viewer'] }
      await app.request('PATCH', `/api/v1/admin/users/${id}`, { bearer: tokens['admin']!, json })
      expectProblem(await act(), 403)
    })
  })

  describe('acts', () => {
    it('for an operator, and notes who did what to which job', async () => {
      const id = await finished({ to: 'nobody', text: 'x' })
      const answer = await ask('operator', `/api/queues/letter/${id}/retry`, 'PUT')
      expect(answer.status, answer.text).to.equal(204)
      await eventually(async () =>
        expect(await newestAction()).to.deep.include({
          actor: ids['operator'],
          subject: `letter/${id}`,
          details: { action: 'retry', queue: 'letter', job: id, outcome: 'done' },
        }),
      )
      await eventually(async () => expect((await queues.find('letter', id))?.attempts).to.be.at.least(1))
    })

    it('for whom the session belongs to, and not for another site', async () => {
      for (const headers of [
        { 'Sec-Fetch-Site': 'cross-site' },
        { 'Sec-Fetch-Site': 'same-site' },
        { 'Sec-Fetch-Site': '', Origin: 'https://evil.example' },
      ] as Record<string, string>[]) {
        const path = `${home}/api/queues/idle/pause`
        const answer = await app.request('PUT', path, { cookie: tokens['admin']!, headers })
        expectProblem(answer, 403, 'csrf')
      }
      const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const path = `${home}/api/queues/idle/add`
      const posted = { cookie: tokens['admin']!, headers: form, body: 'name=idle' }
      expectProblem(await app.request('POST', path, posted), 415)
      expect(await queues.bull('idle').isPaused()).to.equal(false)
      const bearer = { bearer: tokens['admin']! }
      expect((await app.request('PUT', `${home}/api/queues/idle/pause`, bearer)).status).to.equal(200)
      expect(await queues.bull('idle').isPaused()).to.equal(true)
    })

    it('by adding jobs as the job itself allows', async () => {
      const add = (json: object) => ask('operator', '/api/queues/idle/add', 'POST', json)
      const added = await add({ name: 'idle', data: { n: 1 }, options: { delay: 60_000 } })
      expect(added.status, added.text).to.equal(200)
      const { id } = added.json().job
      expect(await queues.find('idle', id)).to.deep.include({ state: 'delayed' })
      await eventually(async () =>
        expect((await newestAction())['details']).to.include({ action: 'add', job: id }),
      )

      const { data, opts } = added.json().job
      const copy = await add({ name: 'idle', data: { ...data, by: 'somebody' }, options: opts })
      expect(copy.status, copy.text).to.equal(200)
      expect(copy.json().job.id).not.to.equal(id)
      expect(copy.json().job.data).to.deep.equal({ payload: { n: 1 } })

      const wrong = await add({ name: 'idle', data: { n: 'one', m: 1 } })
      expectProblem(wrong, 422, 'invalid-fields')
      expect(wrong.json().detail).to.include('data.n').and.to.include('data.m')
      for (const options of [{ repeat: { every: 1 } }, { attempts: 1e9 }, { lifo: true }, { delay: -1 }]) {
        expectProblem(await add({ name: 'idle', data: { n: 1 }, options }), 422)
      }
      const hidden = { name: 'letter', data: { to: 'ada', text: '[redacted]' } }
      expectProblem(await ask('operator', '/api/queues/letter/add', 'POST', hidden), 422)
    })

    it('by no way that makes an operator an administrator: jobs of the server are not written there', async () => {
      const reset = { email: 'admin@example.com', publicUrl: 'https://evil.example' }
      const letterToAll = { to: 'admin@example.com', subject: 'hello', text: 'https://evil.example' }
      for (const [name, data] of [
        ['password-reset', reset],
        ['password-reset', { email: 'admin@example.com' }],
        ['mail', letterToAll],
      ] as const) {
        for (const role of ['operator', 'admin']) {
          const answer = await ask(role, `/api/queues/${name}/add`, 'POST', { name, data })
          expectProblem(answer, 403, 'forbidden')
        }
        expect((await queues.measure())[name]).to.include({ waiting: 0, delayed: 0 })
      }
      const { id } = await queues.enqueue(mail, letterToAll, { delayMs: 60_000 })
      for (const [what, json] of [
        ['delay', { delay: 1 }],
        ['priority', { priority: 1 }],
      ] as const) {
        expectProblem(await ask('operator', `/api/queues/mail/${id}/${what}`, 'PATCH', json), 403)
      }
      expect((await ask('operator', `/api/queues/mail/${id}/clean`, 'PUT')).status).to.equal(204)
      expectProblem(await ask('operator', '/api/queues/mail/job-schedulers/x/run', 'PUT'), 403)
    })

    it('by retrying and copying only what one may ask for, with the payload that the job takes', async () => {
      const { id } = await queues.enqueue(payout, { n: 1 })
      const failed = () =>
        eventually(async () => expect((await queues.find('payout', id))?.state).to.equal('failed'))
      await failed()
      const retry = (role: string) => ask(role, `/api/queues/payout/${id}/retry`, 'PUT')
      expectProblem(await retry('operator'), 403, 'forbidden')
      expectProblem(await ask('operator', '/api/queues/payout/retry/failed', 'PUT'), 403)
      const copy = { name: 'payout', data: { payload: { n: 1 } } }
      expectProblem(await ask('operator', '/api/queues/payout/add', 'POST', copy), 403)
      expect((await retry('admin')).status).to.equal(204)
      await failed()

      await redis.hset(`{lockstep}:payout:${id}`, 'data', JSON.stringify({ payload: { n: 'all' } }))
      const unfit = await retry('admin')
      expectProblem(unfit, 409, 'conflict')
      expect(unfit.json().detail).to.include('n: ')
      expectProblem(await ask('admin', '/api/queues/payout/retry/failed', 'PUT'), 409)
    })

    it('not on what a job works on, and not on the clock', async () => {
      const id = await finished({ to: 'ada', text: 'x' })
      const path = `/api/queues/letter/${id}/update-data`
      expectProblem(await ask('admin', path, 'PATCH', { jobData: { payload: {} } }), 403, 'forbidden')
      const tick = '/api/queues/schedules/job-schedulers/letters/remove'
      const refused = await ask('admin', tick, 'PUT')
      expectProblem(refused, 405, 'dashboard-refused')
      expect(refused.json().detail).to.equal('queue read only')
      expectProblem(await ask('admin', '/api/queues/schedules/empty', 'PUT'), 405)
    })

    it('not where it makes no sense, and says why', async () => {
      const { id } = await queues.enqueue(idle, { n: 3 }, { delayMs: 60_000 })
      const retry = await ask('operator', `/api/queues/idle/${id}/retry`, 'PUT')
      expectProblem(retry, 400, 'dashboard-refused')
      expect(retry.json().detail).to.equal('job not retriable')
      const promote = () => ask('operator', `/api/queues/idle/${id}/promote`, 'PUT')
      expect((await promote()).status).to.equal(204)
      expectProblem(await promote(), 409, 'conflict')
      expectProblem(await ask('operator', '/api/queues/idle/concurrency', 'PUT', { concurrency: 'x' }), 400)
      expectProblem(await ask('operator', '/api/queues/idle/retry/nonsense', 'PUT'), 400)
    })
  })

  describe('finds', () => {
    it('nothing under unknown or hostile names', async () => {
      const id = await finished({ to: 'ada', text: 'x' })
      await redis.set('{lockstep}:letter:foreign', 'not a job')
      for (const path of [
        '/api/queues/nothing/1',
        '/api/queues/letter/no-such-job',
        '/api/queues/letter/no-such-job/logs',
        `/api/queues/letter/${id}%3Alogs`,
        '/api/queues/letter/meta%2F..%2Fx',
        '/api/queues/__proto__/1',
        '/static/../../package.json',
        '/static/..%2F..%2Fpackage.json',
        '/static/js/',
        '/nothing',
      ]) {
        expectProblem(await ask('admin', path), 404)
      }
      expectProblem(await ask('operator', '/api/queues/letter/no-such-job/retry', 'PUT'), 404)
      expectProblem(await ask('operator', '/api/queues/nothing/pause', 'PUT'), 404)
      expectProblem(await ask('admin', '/api/queues/letter/%ff'), 400)
      expectProblem(await ask('admin', '/api/queues?page=-1'), 400)
      expectProblem(await ask('admin', '/api/redis/stats'), 403)
    })

    it('nothing under the names of keys that are no jobs', async () => {
      await redis.set('{lockstep}:idle:stalled-check', '1')
      await queues.enqueue(idle, { n: 1 }, { delayMs: 60_000 })
      for (const key of ['events', 'stalled-check', 'meta', 'id', 'delayed']) {
        expectProblem(await ask('admin', `/api/queues/idle/${key}`), 404)
        expectProblem(await ask('operator', `/api/queues/idle/${key}/clean`, 'PUT'), 404)
      }
    })

    it('the other jobs beside one that is damaged, which can be removed', async () => {
      const sound = await queues.enqueue(idle, { n: 1 }, { delayMs: 60_000 })
      for (const [field, value] of [
        ['data', '{"payload":'],
        ['data', '7'],
        ['opts', 'nothing'],
        ['progress', '{'],
        ['stacktrace', '{"a":1}'],
        ['stacktrace', '[1,{}]'],
        ['failedReason', '{'],
        ['returnvalue', '{'],
        ['timestamp', 'never'],
      ] as const) {
        const { id } = await queues.enqueue(idle, { n: 2 }, { delayMs: 60_000 })
        await redis.hset(`{lockstep}:idle:${id}`, field, value)
        const list = await ask('viewer', '/api/queues?activeQueue=idle&status=delayed')
        expect(list.status, list.text).to.equal(200)
        const shown = list.json().queues.find(({ name }: { name: string }) => name === 'idle').jobs
        expect(
          shown.map((job: { id: string }) => job.id),
          field,
        ).to.include.members([id, sound.id])
        expect((await ask('viewer', `/api/queues/idle/${id}`)).status, field).to.equal(200)
        expect((await ask('viewer', `/api/queues/idle/${id}/logs`)).status, field).to.equal(200)
        expect((await ask('operator', `/api/queues/idle/${id}/clean`, 'PUT')).status, field).to.equal(204)
      }
    })

    it('no more jobs at once than anybody can read', async () => {
      for (let n = 0; n < 110; n++) await queues.enqueue(idle, { n }, { delayMs: 600_000 })
      const query = 'activeQueue=idle&status=delayed&jobsPerPage=1000000'
      const answer = await ask('viewer', `/api/queues?${query}`)
      const shown = answer.json().queues.find(({ name }: { name: string }) => name === 'idle')
      expect(shown.jobs).to.have.length(100)
    })
  })

  it('shows no secret of a job, wherever it turns up', async () => {
    const nested = { deep: [{ apiToken: 'inner-secret' }], note: 'plain' }
    const failed = await finished({ to: 'nobody', text: secret, nested })
    const done = await finished({ to: 'ada', text: secret, nested })
    for (const id of [failed, done]) {
      const job = await queues.bull('letter').getJob(id)
      await job?.log(`sending ${secret} and inner-secret`)
    }
    const looks = [
      '/api/queues?activeQueue=letter',
      ...[failed, done].flatMap((id) => [
        `/api/queues/letter/${id}`,
        `/api/queues/letter/${id}/logs`,
        `/api/queues/letter/${id}/flow`,
      ]),
      '/api/job-schedulers',
      '/api/queues?activeQueue=schedules',
    ]
    for (const path of looks) {
      const answer = await ask('admin', path)
      expect(answer.status, path).to.equal(200)
      const inside = JSON.stringify(answer.json())
      for (const hidden of ['vault', 'inner-secret', 'given']) expect(inside, path).not.to.include(hidden)
    }
    const shown = (await ask('admin', `/api/queues/letter/${failed}`)).json().job
    expect(shown.data.payload).to.deep.equal({
      to: 'nobody',
      text: '[redacted]',
      nested: { deep: [{ apiToken: '[redacted]' }], note: 'plain' },
    })
    expect(shown.failedReason).to.match(/^could not send .*"text":"\[redacted\]"/)
    expect((await queues.find('letter', done))?.result, 'the job itself is as it was').to.include({
      sent: secret,
    })
  })

  describe('has a page', () => {
    it('that may run and load nothing but its own files', async () => {
      const answer = await ask('viewer', '')
      const policy = answer.headers['content-security-policy'] as string
      expect(policy)
        .to.include("default-src 'none'")
        .and.not.to.match(/unsafe|https?:|\*/)
      expect(answer.headers['cache-control']).to.equal('no-store')
      expect(answer.text).not.to.match(/googleapis|<style|<%/)
      const files = [...answer.text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, file]) => file!)
      expect(files).to.include('static/board-page.js').and.to.have.length.above(5)
      for (const file of files) {
        const served = await ask('viewer', `/${file}`)
        expect(served.status, file).to.equal(200)
        expect(served.headers['cache-control'], file).to.match(/^private/)
        expect(served.headers['x-content-type-options']).to.equal('nosniff')
      }
    })

    it('whose links work at any depth and under any prefix', async () => {
      for (const path of ['', '/', '/queue/letter', '/queue/letter/1', '/metrics-history']) {
        const { text } = await ask('viewer', path)
        const base = /<base href="([^"]+)"/.exec(text)?.[1]
        const whole = new URL(base!, `https://x.example/tools${home}${path}`)
        expect(whole.pathname).to.equal(`/tools${home}/`)
      }
    })
  })

  it('answers 503 while Redis is away, and works again afterwards', async () => {
    // Asked with a session that is in the worker's memory, the dashboard itself finds Redis gone.
    await ask('operator', '/api/queues')
    server.freeze()
    expectProblem(await ask('operator', '/api/queues'), 503, 'unavailable')
    const act = await ask('operator', '/api/queues/idle/resume', 'PUT')
    expectProblem(act, 503, 'unavailable')
    expect(act.headers).to.have.property('retry-after')
    server.thaw()
    await eventually(async () => expect((await ask('operator', '/api/queues')).status).to.equal(200), 10_000)
  })
})
