import { expect } from 'chai'
import path from 'node:path'
import { admin, startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { install, npm, packTarballs, type Consumer } from './support/tarballs.ts'

const application = `
import { defineApp, defineRoute, z } from 'lockstep'
export default defineApp({
  name: 'shop',
  routes: [
    defineRoute({
      method: 'GET', path: '/hello', access: 'signed-in', summary: 'Who am I?',
      replies: { 200: { description: 'You', body: z.strictObject({ hello: z.string() }) } },
      handler(ctx) { ctx.body = { hello: ctx.state.identity.user.profile.email } },
    }),
  ],
})
`

describe('lockstep, installed from its tarball', function () {
  this.timeout(300_000)
  let consumer: Consumer

  before(async () => {
    const { whole } = await packTarballs()
    consumer = await install(whole)
    await consumer.write({ 'app.js': application })
  })
  after(() => consumer?.remove())

  it('runs an application with two workers, and a logout on one is refused by the other', async () => {
    const bin = path.join(consumer.folder, 'node_modules', '.bin', 'lockstep')
    const cluster = await startCluster({
      mainPath: bin,
      arguments: ['start'],
      applicationFile: './app.js',
      cwd: consumer.folder,
    })
    try {
      const request = (method: string, path: string, headers = {}, body?: object) =>
        fetch(cluster.url + path, {
          method,
          headers: {
            connection: 'close',
            ...headers,
            ...(body ? { 'content-type': 'application/json' } : {}),
          },
          ...(body ? { body: JSON.stringify(body) } : {}),
        })
      const login = await request('POST', '/api/v1/auth/login', {}, { ...admin, transport: 'token' })
      const { token } = (await login.json()) as { token: string }
      const headers = { authorization: `Bearer ${token}` }

      async function everyWorkerAnswers(status: number): Promise<void> {
        const seen = new Set<string | null>()
        await eventually(async () => {
          const answer = await request('GET', '/hello', headers)
          expect(answer.status).to.equal(status)
          seen.add(answer.headers.get('x-worker'))
          expect(seen.size).to.equal(2)
        })
      }
      await everyWorkerAnswers(200)
      expect((await request('POST', '/api/v1/auth/logout', headers)).status).to.equal(204)
      for (let i = 0; i < 20; i++) expect((await request('GET', '/hello', headers)).status).to.equal(401)
      await everyWorkerAnswers(401)
      expect((await request('GET', '/admin/queues')).status).to.be.oneOf([200, 302, 303, 401])
    } finally {
      await cluster.stop()
    }
  })

  it('leaves TypeScript out of production, also where the application compiles with it', async () => {
    expect(await consumer.installed()).not.to.include('typescript')
    await npm(consumer.folder, 'install', '--no-audit', '--no-fund', '--prefer-offline', '-D', 'typescript')
    const production = await npm(consumer.folder, 'ls', '--omit=dev', '--all', '--parseable')
    expect(production).to.contain('ioredis')
    expect(production.split('\n').filter((line) => line.endsWith('node_modules/typescript'))).to.deep.equal(
      [],
    )
  })

  it('checks an application by its own command', async () => {
    const bin = path.join(consumer.folder, 'node_modules', 'lockstep', 'server', 'lockstep.js')
    expect(await consumer.node(bin, 'check', './app.js')).to.contain('/hello')
  })
})
