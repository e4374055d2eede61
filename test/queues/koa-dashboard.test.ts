/** The dashboard in somebody's own Koa app: `queueDashboard`. */
import { expect } from 'chai'
import { once } from 'node:events'
import Koa from 'koa'
import mount from 'koa-mount'
import { deadlineIn, defineJob, openQueues, z } from '../../shared/queues/index.ts'
import {
  ConfigurationError,
  queueDashboard,
  type ActionFacts,
  type DashboardAccess,
} from '../../shared/queues/dashboard/index.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { send } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const mail = defineJob({
  name: 'mail',
  payload: z.strictObject({ to: z.string(), password: z.string() }),
  enqueue: 'anyone signed in',
  handler: async () => {},
})
const inner = defineJob({ name: 'inner', payload: z.strictObject({}), handler: async () => {} })
const sameOrigin = { 'sec-fetch-site': 'same-origin' }

describe('the dashboard in a Koa app of its own', function () {
  this.timeout(30_000)
  const cleanUp = cleanUpAfterEach()
  let redis: TestRedis

  before(async () => {
    redis = await startRedis()
  })
  after(() => redis.stop())

  async function serve(access: (ctx: any) => DashboardAccess | Promise<DashboardAccess>, mountedAt?: string) {
    const queues = openQueues({ name: 'board', redis: redis.url, app: 'shop', jobs: [mail, inner] })
    await queues.start()
    cleanUp(() => queues.stop(deadlineIn(2_000)))
    const noted: ActionFacts[] = []
    const dashboard = queueDashboard({
      queues,
      access,
      onAction: (_ctx, facts) => void noted.push(facts),
      ...(mountedAt ? { path: '/' } : {}),
    })
    const app = new Koa()
    app.silent = true
    app.use(mountedAt ? mount(mountedAt, new Koa().use(dashboard)) : dashboard)
    app.use((ctx) => void (ctx.body = 'the rest'))
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanUp(() => server.close())
    return { queues, noted, url: `http://127.0.0.1:${(server.address() as { port: number }).port}` }
  }

  const post = (url: string, json: object, headers: Record<string, string> = sameOrigin) =>
    send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(json),
    })

  it('shows its page, its files and the jobs, without what is secret', async () => {
    const { url, queues } = await serve(() => 'read')
    await queues.enqueue(mail, { to: 'ada', password: 'open sesame 12' })
    const page = await send(`${url}/admin/queues`)
    expect(page.status).to.equal(200)
    expect(page.body).to.include('<base href="./queues/"')
    expect(page.headers['content-security-policy']).to.include("default-src 'none'")
    expect((await send(`${url}/admin/queues/queue/mail`)).body).to.include('<base href="./../"')
    expect((await send(`${url}/admin/queues/static/board-page.js`)).status).to.equal(200)
    const shown = await send(`${url}/admin/queues/api/queues?activeQueue=mail&status=waiting&page=1`)
    expect(shown.body).to.include('ada').and.not.include('open sesame')
    expect((await send(`${url}/elsewhere`)).body).to.equal('the rest')
  })

  it('lets nobody in whom the rule does not let in, not even to its files', async () => {
    const { url } = await serve(() => false)
    for (const path of ['', '/', '/api/queues', '/static/board-page.js', '/nonsense']) {
      expect((await send(`${url}/admin/queues${path}`)).status, path).to.equal(403)
    }
  })

  it('leaves the answer to the rule where it gives one', async () => {
    const { url } = await serve((ctx) => {
      ctx.redirect('/login')
      return false
    })
    const answer = await send(`${url}/admin/queues`)
    expect([answer.status, answer.headers.location]).to.deep.equal([302, '/login'])
    const thrown = await serve((ctx) => ctx.throw(401, 'who are you?'))
    expect((await send(`${thrown.url}/admin/queues/api/queues`)).status).to.equal(401)
  })

  it('lets who may only read change nothing', async () => {
    const { url, noted } = await serve(() => 'read')
    expect((await post(`${url}/admin/queues/api/queues/mail/pause`, {})).status).to.not.equal(200)
    const paused = await send(`${url}/admin/queues/api/queues/mail/pause`, {
      method: 'PUT',
      headers: sameOrigin,
    })
    expect(paused.status).to.equal(403)
    expect(noted.at(-1)).to.deep.include({ action: 'pause', queue: 'mail', outcome: 'forbidden' })
    expect((await send(`${url}/admin/queues/api/queues`)).body).to.include('"readOnlyMode":true')
  })

  it('does for who may act what the job allows, and notes it', async () => {
    const { url, queues, noted } = await serve(() => 'act')
    const added = await post(`${url}/admin/queues/api/queues/mail/add`, {
      name: 'mail',
      data: { to: 'bob', password: 'x' },
    })
    expect(added.status, added.body).to.equal(200)
    expect(noted.at(-1)).to.deep.include({ action: 'add', queue: 'mail', outcome: 'done' })
    expect(await queues.find('mail', String(noted.at(-1)?.job))).to.include({ state: 'waiting' })
    const refused = await post(`${url}/admin/queues/api/queues/inner/add`, { name: 'inner', data: {} })
    expect(refused.status).to.equal(403)
    expect(JSON.parse(refused.body))
      .to.have.property('message')
      .that.includes('only the code asks for the job inner')
    const wrong = await post(`${url}/admin/queues/api/queues/mail/add`, { name: 'mail', data: { to: 7 } })
    expect(wrong.status).to.equal(422)
  })

  it('refuses what another site makes a browser do, whoever that may be', async () => {
    const { url, noted } = await serve(() => 'act')
    const path = `${url}/admin/queues/api/queues/mail/add`
    for (const headers of [{}, { 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }]) {
      expect(
        (await post(path, { name: 'mail', data: {} }, headers as Record<string, string>)).status,
      ).to.equal(403)
    }
    expect(noted).to.deep.equal([])
    const own = await post(path, { name: 'mail', data: { to: 'a', password: 'b' } }, { origin: url })
    expect(own.status).to.equal(200)
  })

  it('works under koa-mount', async () => {
    const { url } = await serve(() => 'read', '/tools/board')
    const page = await send(`${url}/tools/board`)
    expect(page.body).to.include('<base href="./board/"')
    expect((await send(`${url}/tools/board/`)).body).to.include('<base href="./"')
    expect((await send(`${url}/tools/board/api/queues`)).status).to.equal(200)
  })

  it('can not be made without a rule', () => {
    expect(() => openQueues(undefined as never)).to.throw(ConfigurationError, 'openQueues needs options')
    expect(() => queueDashboard(undefined as never)).to.throw(
      ConfigurationError,
      'queueDashboard needs options',
    )
    const queues = openQueues({ name: 'board', redis: redis.url, jobs: [mail] })
    expect(() => queueDashboard({ queues } as never)).to.throw(ConfigurationError, 'access is missing')
    expect(() => queueDashboard({ queues, access: () => 'act', patH: '/' } as never)).to.throw(
      'there is no option patH',
    )
  })
})
