import { expect } from 'chai'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from '../support/free-port.ts'
import { trackChild } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { command, install, npm, packTarballs, type Consumer } from './support/tarballs.ts'

/** A stranger's application: a plain Koa server, two workers by node:cluster, and five lines of ours. */
const application = `
import cluster from 'node:cluster'
import Koa from 'koa'
import Router from '@koa/router'
import { Redis } from 'ioredis'
import { koaSessions } from 'lockstep/sessions'

if (cluster.isPrimary) {
  cluster.fork()
  cluster.fork()
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill('SIGTERM')
  })
} else {
  const sessions = koaSessions({
    name: 'shop',
    redis: () => new Redis(process.env.REDIS),
    onError: (ctx, { code }) => (ctx.body = { error: code }),
  })
  const app = new Koa()
  const router = new Router()
  app.use(async (ctx, next) => {
    ctx.set('X-Worker', String(cluster.worker.id))
    ctx.set('Connection', 'close')
    await next()
  })
  app.use(sessions.middleware())
  router.post('/login', (ctx) => ctx.auth.signIn('alice', () => ctx.query.password === 'right'))
  router.post('/logout', (ctx) => ctx.auth.signOut())
  router.get('/me', (ctx) => {
    ctx.body = { user: ctx.auth.require().user.id }
  })
  app.use(router.routes())
  await sessions.start()
  const server = app.listen(Number(process.env.PORT), '127.0.0.1')
  process.on('SIGTERM', () => {
    server.close(() => sessions.stop(performance.now() + 2_000).then(() => process.exit()))
  })
}
`

/** Asks itself, once without and once with the right to look. */
const dashboard = `
import Koa from 'koa'
import { openQueues, defineJob, z } from 'lockstep/queues'
import { queueDashboard } from 'lockstep/queues/dashboard'

const job = defineJob({ name: 'hello', payload: z.strictObject({}), handler: async () => {} })
const queues = openQueues({ name: 'board', redis: process.env.REDIS, jobs: [job] })
await queues.start()
const app = new Koa()
app.use(queueDashboard({ queues, path: '/queues', access: (ctx) => (ctx.get('x-admin') ? 'act' : false) }))
const server = app.listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const ask = (path, headers) => fetch('http://127.0.0.1:' + server.address().port + path, { headers })
console.log((await ask('/queues', {})).status, '/queues')
const page = await ask('/queues', { 'x-admin': '1' })
console.log(page.status, '/queues')
const [, script] = /src="([^"]*static[^"]*\\.js)"/.exec(await page.text()) ?? []
console.log((await ask('/queues/' + script.replace(/^\\/?(queues\\/)?/, ''), { 'x-admin': '1' })).status, 'script')
server.close()
server.closeAllConnections()
await queues.stop(performance.now() + 2_000)
`

describe('the parts, installed in an application that keeps its own server', function () {
  this.timeout(300_000)
  let consumer: Consumer
  let redis: TestRedis

  before(async () => {
    const { parts } = await packTarballs()
    consumer = await install(parts, ['koa', '@koa/router', 'ioredis'])
    redis = await startRedis()
  })
  after(async () => {
    await consumer?.remove()
    await redis?.stop()
  })

  it('bring nothing of what only accounts, the dashboard or traces need', async () => {
    const installed = await consumer.installed()
    const foreign = [
      'pg',
      'libsql',
      'kysely',
      '@node-rs/argon2',
      'nodemailer',
      'koa-session',
      'typescript',
      'valibot',
    ]
    expect([...installed].filter((name) => foreign.includes(name))).to.deep.equal([])
    expect(
      [...installed].filter((name) => /^@(bull-board|opentelemetry|libsql|zxcvbn-ts)/.test(name)),
    ).to.deep.equal([])
    await npm(consumer.folder, 'ls', '--all')
  })

  it('show the dashboard of queues, with its page', async () => {
    await consumer.write({ 'dashboard.js': dashboard })
    const { PATH } = process.env
    const printed = await command(
      consumer.folder,
      'env',
      `PATH=${PATH}`,
      `REDIS=${redis.url}`,
      process.execPath,
      'dashboard.js',
    )
    expect(printed.trim().split('\n')).to.deep.equal(['403 /queues', '200 /queues', '200 script'])
  })

  it('serve sessions from memory in two workers, and a logout on one is refused by the other', async () => {
    await consumer.write({ 'server.js': application })
    const port = await freePort()
    const { PATH } = process.env
    const server: ChildProcess = spawn(process.execPath, ['server.js'], {
      cwd: consumer.folder,
      env: { PATH, PORT: String(port), REDIS: redis.url, NODE_ENV: 'production' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    trackChild(server.pid ?? 0, 'the application of a stranger')
    let printed = ''
    for (const stream of [server.stdout, server.stderr])
      stream?.on('data', (text) => (printed += String(text)))
    try {
      const request = (method: string, path: string, headers = {}) =>
        fetch(`http://127.0.0.1:${port}${path}`, { method, headers })
      const login = await eventually(() => request('POST', '/login?password=right'), 20_000)
      expect(login.status, printed).to.equal(204)
      const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''
      const headers = { cookie, 'sec-fetch-site': 'same-origin' }

      /** Until both workers have answered so. */
      async function everyWorkerAnswers(status: number): Promise<void> {
        const seen = new Set<string | null>()
        await eventually(async () => {
          const answer = await request('GET', '/me', headers)
          expect(answer.status).to.equal(status)
          seen.add(answer.headers.get('x-worker'))
          expect(seen.size).to.equal(2)
        })
      }
      await everyWorkerAnswers(200)
      expect((await request('POST', '/logout', headers)).status).to.equal(204)
      for (let i = 0; i < 20; i++) expect((await request('GET', '/me', headers)).status).to.equal(401)
      await everyWorkerAnswers(401)
    } finally {
      server.kill('SIGTERM')
      await once(server, 'close')
    }
  })
})
