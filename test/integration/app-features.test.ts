import { expect } from 'chai'
import { defineApp, defineRoute } from 'lockstep'
import { startTestApp, type TestApp } from 'lockstep/testing'
import { optionalFeatures, type OptionalFeature } from '../../shared/app/app.ts'

/** What each feature answers an administrator at, when it is there. */
const places: Readonly<Record<OptionalFeature, readonly string[]>> = {
  admin: ['/admin'],
  users: ['/api/v1/admin/users'],
  audit: ['/api/v1/admin/audit'],
  dashboard: ['/admin/queues'],
  docs: ['/', '/openapi.json', '/docs'],
  jobs: ['/api/v1/admin/schedules', '/api/v1/admin/failed-jobs'],
  limits: ['/api/v1/admin/limits/api/user:1'],
  settings: ['/api/v1/admin/settings'],
  // Has routes only where a primary runs the worker (test/cluster).
  workers: [],
}

const own = defineRoute({
  method: 'GET',
  path: '/own',
  access: { roles: ['admin'] },
  summary: 'A route of the application',
  replies: { 200: { description: 'An answer' } },
  handler(ctx) {
    ctx.body = 'mine'
  },
})

async function statuses(running: TestApp, token: string): Promise<Record<string, Record<string, number>>> {
  const found: Record<string, Record<string, number>> = {}
  for (const [feature, paths] of Object.entries(places)) {
    found[feature] = {}
    for (const path of paths) found[feature][path] = (await running.request('GET', path, { token })).status
  }
  return found
}

describe('A built-in feature that an application leaves out', () => {
  let all: Record<string, Record<string, number>>

  before(async () => {
    const running = await startTestApp(defineApp({ name: 'all', routes: [own] }), { workers: 1 })
    const { token } = await running.signIn({ roles: ['user', 'admin'] })
    all = await statuses(running, token)
    await running.stop()
    for (const [path, status] of Object.values(all).flatMap((paths) => Object.entries(paths))) {
      expect(status, path).not.to.equal(404)
    }
  })

  for (const name of optionalFeatures) {
    it(`${name}: its routes are 404, and nothing else changes`, async () => {
      const app = defineApp({ name: 'without', features: { [name]: false }, routes: [own] })
      const running = await startTestApp(app, { workers: 1 })
      try {
        const { token } = await running.signIn({ roles: ['user', 'admin'] })
        const gone = Object.fromEntries(places[name].map((path) => [path, 404]))
        expect(await statuses(running, token)).to.deep.equal({ ...all, [name]: gone })
        expect((await running.request('GET', '/own', { token })).text).to.equal('mine')
        await running.runJobs()
        expect((await running.request('POST', '/api/v1/auth/logout', { token })).status).to.equal(204)
        expect((await running.request('GET', '/own', { token })).status).to.equal(401)
      } finally {
        await running.stop()
      }
    })
  }

  it('leaves a server that signs in, serves its own routes and does jobs when all are left out', async () => {
    const features = Object.fromEntries(optionalFeatures.map((name) => [name, false]))
    const running = await startTestApp(defineApp({ name: 'bare', features, routes: [own] }))
    try {
      const { token } = await running.signIn({ roles: ['user', 'admin'] })
      const found = Object.values(await statuses(running, token)).flatMap((paths) => Object.values(paths))
      expect([...new Set(found)]).to.deep.equal([404])
      for (const answer of await running.onEveryWorker('GET', '/own', { token })) {
        expect(answer.text).to.equal('mine')
      }
      await running.runJobs()
    } finally {
      await running.stop()
    }
  })
})
