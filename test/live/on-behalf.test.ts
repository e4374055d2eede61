/** Jobs on behalf of a session or a user, from the route that asks for them to the worker that does them. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import {
  defineApp,
  defineJob,
  defineRoute,
  flow,
  requireIdentity,
  z,
  type Job,
  type JobRun,
  type Parts,
} from '../../shared/app/index.ts'
import { email, startApplication, type ApplicationWorkers } from '../support/application-workers.ts'
import { eventually } from '../support/eventually.ts'
import { password } from '../support/http-app.ts'

const kinds = ['session', 'user'] as const

describe('a job on behalf of a session or a user', function () {
  this.timeout(60_000)
  let workers: ApplicationWorkers
  const held: (() => void)[] = []
  const runs: JobRun<{ what: string }>[] = []
  const reasons: unknown[] = []

  const work: Job<{ what: string }, Parts> = defineJob({
    name: 'work',
    payload: z.strictObject({ what: z.string() }),
    attempts: 3,
    backoff: { type: 'fixed', delayMs: 10 },
    concurrency: 10,
    async handler(run, { queues }) {
      runs.push(run)
      const { what } = run.data
      if (what === 'follow') return queues.enqueue(work, { what: 'hold' }, { onBehalfOf: 'session' })
      if (what === 'throw') throw new Error('broken')
      if (what !== 'hold') return what
      return new Promise<string>((resolve, reject) => {
        held.push(() => resolve('done'))
        run.signal.addEventListener('abort', () => {
          reasons.push(run.signal.reason)
          reject(run.signal.reason as Error)
        })
      })
    },
  })
  const asked = z.strictObject({
    what: z.string(),
    of: z.enum(kinds).optional(),
    delayMs: z.int().optional(),
    dedupeKey: z.string().optional(),
    flow: z.boolean().optional(),
  })

  const app = defineApp({
    name: 'behalf',
    routes: [
      defineRoute({
        method: 'POST',
        path: '/work',
        access: 'signed-in',
        limits: [],
        summary: 'Ask for work',
        body: asked,
        replies: { 202: { description: 'The job', body: z.strictObject({ id: z.string() }) } },
        async handler(ctx, { body }, { queues }) {
          const { what, of, flow: inFlow, ...options } = body
          const about = { ...options, ...(of ? { onBehalfOf: of } : {}) }
          ctx.status = 202
          const by = requireIdentity(ctx).identity.user.id
          const child = flow(work, { what: 'child' }, { options: about as object })
          const id = inFlow
            ? (await queues.enqueueFlow(flow(work, { what }, { options: { by }, children: [child] }))).id
            : await queues.enqueue(work, { what }, about as object)
          ctx.body = { id }
        },
      }),
      defineRoute({
        method: 'POST',
        path: '/anybody',
        access: 'anyone',
        limits: [],
        summary: 'Ask for work without having signed in',
        replies: { 202: { description: 'The job', body: z.strictObject({ id: z.string() }) } },
        async handler(ctx, _input, { queues }) {
          ctx.status = 202
          ctx.body = { id: await queues.enqueue(work, { what: 'x' }, { onBehalfOf: 'session' }) }
        },
      }),
    ],
    jobs: [work],
  })

  before(async () => {
    workers = await startApplication(app, {
      env: { LIMIT_API: 'off', LIMIT_LOGIN_IP: 'off', LIMIT_LOGIN_ACCOUNT: 'off' },
    })
  })
  beforeEach(() => {
    runs.length = 0
    reasons.length = 0
  })
  afterEach(() => held.splice(0).forEach((release) => release()))
  after(() => workers.stop())

  async function ask(token: string, body: z.output<typeof asked>): Promise<string> {
    const answer = await workers.request('/work', { token, json: body })
    expect(answer.status).to.equal(202)
    return ((await answer.json()) as { id: string }).id
  }

  async function find(token: string, id: string) {
    const answer = await workers.request(`/api/v1/jobs/work/${id}`, { token })
    expect(answer.status).to.equal(200)
    return (await answer.json()) as { state: string; failedReason?: string; result?: unknown }
  }

  const logOut = async (token: string) =>
    expect(
      (await workers.request('/api/v1/auth/logout', { token, method: 'POST', worker: 1 })).status,
    ).to.equal(204)
  const logOutAll = async (token: string) =>
    expect(
      (await workers.request('/api/v1/auth/logout-all', { token, json: {}, worker: 1 })).status,
    ).to.equal(200)
  const running = () => eventually(() => expect(runs.at(-1)?.data.what).to.equal('hold'))

  for (const kind of kinds) {
    it(`is done while the ${kind} is there, and shown to who asked`, async () => {
      const token = await workers.signIn()
      const id = await ask(token, { what: 'plain', of: kind })
      await eventually(async () =>
        expect(await find(token, id)).to.include({ state: 'completed', result: 'plain' }),
      )
      expect(runs[0]?.onBehalfOf).to.include({ kind })
      const kept = JSON.stringify(runs[0]?.onBehalfOf)
      expect(kept).to.not.include(token)
    })
  }

  it('that is delayed is not run after a logout, and shown as cancelled from then on', async () => {
    const [token, other] = [await workers.signIn(), await workers.signIn()]
    const id = await ask(token, { what: 'late', of: 'session', delayMs: 1_500 })
    const ofOther = await ask(other, { what: 'kept', of: 'session', delayMs: 1_500 })
    expect(await find(other, id)).to.include({ state: 'delayed' })
    await logOut(token)
    const cancelled = { state: 'cancelled', failedReason: 'cancelled: the session has ended' }
    expect(await find(other, id)).to.include(cancelled)
    await eventually(async () => expect(await find(other, ofOther)).to.include({ state: 'completed' }))
    await eventually(() =>
      expect(workers.log()).to.match(new RegExp(`"jobId":"${id}"[^\\n]*a job was cancelled`)),
    )
    expect(await find(other, id)).to.include(cancelled)
    expect(runs.map(({ data }) => data.what)).to.deep.equal(['kept'])
  })

  it('that runs has its signal aborted before the logout is answered, and is not tried again', async () => {
    const [token, other] = [await workers.signIn(), await workers.signIn()]
    const id = await ask(token, { what: 'hold', of: 'session' })
    await running()
    await logOut(token)
    expect(reasons[0]).to.include({ kind: 'cancelled', message: 'cancelled: the session has ended' })
    await eventually(async () =>
      expect(await find(other, id)).to.include({
        state: 'cancelled',
        failedReason: 'cancelled: the session has ended',
      }),
    )
    await pause(100)
    expect(runs).to.have.length(1)
  })

  it('that is done before the logout stays done', async () => {
    const [token, other] = [await workers.signIn(), await workers.signIn()]
    const id = await ask(token, { what: 'plain', of: 'session' })
    await eventually(async () => expect(await find(token, id)).to.include({ state: 'completed' }))
    await logOut(token)
    expect(await find(other, id)).to.include({ state: 'completed', result: 'plain' })
  })

  it('of the user outlives the logout of one session, and ends with all of them', async () => {
    const [token, other] = [await workers.signIn(), await workers.signIn()]
    const id = await ask(token, { what: 'hold', of: 'user' })
    await running()
    await logOut(token)
    expect(reasons).to.deep.equal([])
    await logOutAll(other)
    expect(reasons[0]).to.include({ message: 'cancelled: all sessions of the user were ended' })
    const again = await workers.signIn()
    await eventually(async () => expect(await find(again, id)).to.include({ state: 'cancelled' }))
  })

  it('ends with a password change, except that of the session that changed it', async () => {
    const [token, other] = [await workers.signIn(), await workers.signIn()]
    const mine = await ask(token, { what: 'hold', of: 'session' })
    await running()
    const theirs = await ask(other, { what: 'hold', of: 'session' })
    const ofUser = await ask(token, { what: 'hold', of: 'user' })
    await eventually(() => expect(runs).to.have.length(3))
    const changed = await workers.request('/api/v1/auth/password', {
      method: 'PUT',
      token,
      json: { currentPassword: password, newPassword: `${password}-2` },
    })
    expect(changed.status).to.equal(204)
    expect(reasons).to.have.length(2)
    const fresh = changed.headers.get('X-Session-Token') ?? (await signInWith(`${password}-2`))
    for (const id of [theirs, ofUser]) {
      await eventually(async () => expect(await find(fresh, id)).to.include({ state: 'cancelled' }))
    }
    expect(await find(fresh, mine)).to.include({ state: 'active' })
    await changeBack(fresh)
  })

  async function signInWith(secret: string): Promise<string> {
    const answer = await workers.request('/api/v1/auth/login', {
      json: { email, password: secret, transport: 'token' },
    })
    return ((await answer.json()) as { token: string }).token
  }

  async function changeBack(token: string): Promise<void> {
    const json = { currentPassword: `${password}-2`, newPassword: password }
    expect((await workers.request('/api/v1/auth/password', { method: 'PUT', token, json })).status).to.equal(
      204,
    )
  }

  it('that failed is not tried again after a logout', async () => {
    const [token, other] = [await workers.signIn(), await workers.signIn()]
    const id = await ask(token, { what: 'throw', of: 'session' })
    await eventually(() => expect(runs.length).to.be.greaterThan(0))
    await logOut(token)
    await eventually(async () => expect((await find(other, id)).state).to.be.oneOf(['cancelled', 'failed']))
  })

  it('asks for others on the same behalf, and for none on another', async () => {
    const [token, other] = [await workers.signIn(), await workers.signIn()]
    const id = await ask(token, { what: 'follow', of: 'session' })
    await running()
    const { result } = await find(token, id)
    await logOut(token)
    await eventually(async () => expect(await find(other, String(result))).to.include({ state: 'cancelled' }))
    const wrong = await ask(other, { what: 'follow', of: 'user' })
    await eventually(async () =>
      expect((await find(other, wrong)).failedReason).to.match(/on behalf of a user/),
    )
  })

  it('in a flow fails the job that waits for it when it is cancelled', async () => {
    const [token, other] = [await workers.signIn(), await workers.signIn()]
    const id = await ask(token, { what: 'parent', of: 'session', delayMs: 500, flow: true })
    await logOut(token)
    await eventually(async () => expect(await find(other, id)).to.include({ state: 'failed' }))
    expect(runs).to.deep.equal([])
  })

  it('is another one for another session, whatever the dedupeKey', async () => {
    const [token, other] = [await workers.signIn(), await workers.signIn()]
    const about = { what: 'plain', of: 'session', dedupeKey: 'k' } as const
    const id = await ask(token, about)
    expect(await ask(token, about)).to.equal(id)
    expect(await ask(other, about)).to.not.equal(id)
  })

  it('is refused where nobody is signed in, and words that are none', async () => {
    expect((await workers.request('/anybody', { method: 'POST' })).status).to.equal(500)
    expect(workers.log()).to.include('onBehalfOf: nobody who has a session asks here')
  })
})
