import { expect } from 'chai'
import { defineApp, defineRoute, z } from 'lockstep'
import { startTestApp, type TestApp } from 'lockstep/testing'
import { eventually } from '../support/eventually.ts'

const path = '/api/v1/admin/settings'

describe("An application's own settings and roles, over HTTP", () => {
  let running: TestApp
  let token: string

  before(async () => {
    running = await startTestApp(
      defineApp({
        name: 'shop',
        roles: ['staff'],
        settings: z.object({
          greeting: z.string().max(20).default('hello'),
          discount: z.number().min(0).max(1).default(0),
        }),
        routes: [
          defineRoute({
            method: 'GET',
            path: '/greeting',
            access: 'anyone',
            summary: 'As it is now',
            replies: { 200: { description: 'The settings' } },
            handler(ctx, _input, { settings }) {
              ctx.body = settings.current()
            },
          }),
          defineRoute({
            method: 'POST',
            path: '/mistake',
            access: 'anyone',
            summary: 'A change that can never be',
            replies: { 200: { description: 'Never' } },
            async handler(_ctx, _input, { settings }) {
              await settings.change({ discount: 'a lot' })
            },
          }),
        ],
      }),
    )
    const administrator = await running.signIn({ roles: ['user', 'admin'] })
    token = administrator.token
  })
  after(() => running?.stop())

  const change = (json: object) => running.request('PATCH', path, { token, json })

  it('are shown beside ours under their own names', async () => {
    const { greeting, discount, maintenance, overridden } = (
      await running.request('GET', path, { token })
    ).json()
    expect({ greeting, discount, maintenance, overridden }).to.deep.equal({
      greeting: 'hello',
      discount: 0,
      maintenance: false,
      overridden: [],
    })
  })

  it('are changed for every worker, and go back to their default with null', async () => {
    const changed = await change({ greeting: 'moin', logLevel: 'debug' })
    expect(changed.json()).to.include({ greeting: 'moin', logLevel: 'debug' })
    expect(changed.json().overridden).to.have.members(['greeting', 'logLevel'])
    for (const answer of await running.onEveryWorker('GET', '/greeting')) {
      expect(answer.json()).to.deep.equal({ greeting: 'moin', discount: 0 })
    }
    expect((await change({ greeting: null })).json()).to.deep.include({
      greeting: 'hello',
      overridden: ['logLevel'],
    })
    await eventually(async () => {
      const { entries } = (await running.request('GET', '/api/v1/admin/audit', { token })).json()
      expect(JSON.stringify(entries)).to.include('"greeting"').and.not.to.include('app.greeting')
    })
  })

  it('are checked by its schema', async () => {
    for (const [json, field] of [
      [{ discount: 2 }, 'discount'],
      [{ greeting: 'x'.repeat(21) }, 'greeting'],
      [{ other: 1 }, 'other'],
      [{ 'app.greeting': 'x' }, 'app.greeting'],
    ] as const) {
      const refused = await change(json)
      expect(refused.status).to.equal(422)
      expect(refused.json().detail).to.include(field)
    }
  })

  it('are described in /openapi.json', async () => {
    const { paths } = (await running.request('GET', '/openapi.json')).json()
    const body = paths[path].patch.requestBody.content['application/json'].schema
    expect(body.properties).to.include.keys('greeting', 'discount', 'maintenance')
  })

  it('are not changed to what they may not be by a handler either, which is its mistake and no outage', async () => {
    const answer = await running.request('POST', '/mistake')
    expect(answer.status).to.equal(500)
    expect(running.log()).to.include('the setting discount: ')
  })

  it('roles: administrators give them, and none that there is not', async () => {
    const user = { email: 'staff@example.com', name: 'Sam', password: 'four wooden spoons' }
    const create = (roles: string[], email: string) =>
      running.request('POST', '/api/v1/admin/users', { token, json: { ...user, email, roles } })
    const created = await create(['user', 'staff'], user.email)
    expect(created.status).to.equal(201)
    expect((await create(['boss'], 'boss@example.com')).status).to.equal(422)
    const place = `/api/v1/admin/users/${created.json().user.id}`
    const changed = await running.request('PATCH', place, { token, json: { roles: ['staff'] } })
    expect(changed.json().user.roles).to.deep.equal(['staff'])
    expect((await running.request('PATCH', place, { token, json: { roles: ['boss'] } })).status).to.equal(422)
  })
})

describe('Settings that an application can not have', () => {
  const problemsOf = (settings: z.ZodObject) =>
    defineApp({ name: 'shop', settings })['~lockstep'].problems.join('\n')

  for (const name of ['maintenance', 'limits', 'version']) {
    it(`are called like one of ours: ${name}`, () => {
      expect(problemsOf(z.object({ [name]: z.string().default('') }))).to.include(
        `settings.${name} is a setting of the server`,
      )
    })
  }

  it('have no default', () => {
    expect(problemsOf(z.object({ greeting: z.string() }))).to.equal('settings.greeting has no default')
  })

  it('do not read again what they have written', () => {
    const seconds = z.string().transform(Number).default(5)
    expect(problemsOf(z.object({ seconds: seconds.prefault('5') }))).to.include('settings.seconds')
  })
})
