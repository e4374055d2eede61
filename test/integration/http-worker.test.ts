import { expect } from 'chai'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { defineApp } from '../../shared/app/app.ts'
import { defineRoute } from '../../shared/app/route.ts'
import { createJobWorker } from '../../workers/worker.ts'
import { foundLimits } from '../../server/cluster/boot/found-limits.ts'
import { createWebWorker } from '../../server/web/worker.ts'
import { createPasswords } from '../../shared/accounts/passwords.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { loadConfig, type Config } from '../../shared/config/config.ts'
import { deploymentKeys, unnamedSpace } from '../../shared/deployment/deployment-keys.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'
import { password } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('A web worker', () => {
  let redis: TestRedis
  let dataDir: string
  let config: Config

  before(async () => {
    redis = await startRedis()
    dataDir = await mkdtemp(join(tmpdir(), 'lockstep-worker-'))
    config = loadConfig({ WORKERS: '1', PORT: '0', DATA_DIR: dataDir, REDIS_URL: redis.url })
    const accounts = openAccounts(config.database)
    await accounts.migrate()
    await accounts.start()
    const passwordHash = await createPasswords().hash(password)
    await accounts.create({ email: 'alice@example.com', name: 'Alice', roles: ['user'], passwordHash })
    await accounts.stop(deadlineIn(1_000))
    await foundLimits({ kind: 'single', url: redis.url }, 'lm')
  })
  after(async () => {
    await redis?.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  function createWorker(slot: number) {
    return createWebWorker({
      config,
      keys: deploymentKeys(unnamedSpace),
      slot,
      log: pino({ level: 'silent' }),
      onFatal: (cause) => {
        throw cause
      },
      app: defineApp({
        name: 'greeter',
        routes: [
          defineRoute({
            method: 'GET',
            path: '/api/v1/greeting',
            access: 'signed-in',
            summary: 'A route of the application',
            replies: { 200: { description: 'A greeting' } },
            handler(ctx) {
              ctx.body = { greeting: `hello ${String(ctx.state.identity?.user.profile['name'])}` }
            },
          }),
        ],
      }),
    })
  }

  it('serves what it is made of, with real passwords, and a logout on one is refused by another', async () => {
    const [one, two] = [createWorker(1), createWorker(2)]
    await Promise.all([one.start(), two.start()])
    try {
      const send = (worker: { port: number }, path: string, init?: RequestInit) =>
        fetch(`http://127.0.0.1:${worker.port}${path}`, init)
      const login = await send(one, '/api/v1/auth/login', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ email: 'alice@example.com', password, transport: 'token' }),
      })
      expect(login.headers.get('x-worker')).to.equal('web-1')
      const { token } = (await login.json()) as { token: string }
      const headers = { Authorization: `Bearer ${token}` }

      const greeting = await send(two, '/api/v1/greeting', { headers })
      expect(await greeting.json()).to.deep.equal({ greeting: 'hello Alice' })
      expect(greeting.headers.get('x-worker')).to.equal('web-2')
      expect((await send(one, '/readyz')).status).to.equal(200)

      expect((await send(one, '/api/v1/auth/logout', { method: 'POST', headers })).status).to.equal(204)
      for (const worker of [one, two]) {
        expect((await send(worker, '/api/v1/auth/me', { headers })).status).to.equal(401)
      }
    } finally {
      await Promise.all([one.stop(deadlineIn(5_000)), two.stop(deadlineIn(5_000))])
    }
  })

  it('mails a link to the address that it listens on when no other is configured', async () => {
    const worker = createWorker(1)
    await worker.start()
    const { port } = worker
    const mailing = createJobWorker({
      // The primary tells all of its workers the port that it claimed.
      config: loadConfig({ WORKERS: '1', PORT: String(port), DATA_DIR: dataDir, REDIS_URL: redis.url }),
      slot: 1,
      keys: deploymentKeys(unnamedSpace),
      log: pino({ level: 'silent' }),
    })
    await mailing.start()
    try {
      await fetch(`http://127.0.0.1:${port}/api/v1/auth/password-reset/request`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ email: 'alice@example.com' }),
      })
      const mail = await eventually(async () => {
        const [file = expect.fail('no mail yet')] = await readdir(join(dataDir, 'mail'))
        return readFile(join(dataDir, 'mail', file), 'utf8')
      })
      expect(mail.replace(/=\r?\n/g, '')).to.include(`http://127.0.0.1:${port}/reset#token`)
    } finally {
      await mailing.stop(deadlineIn(5_000))
      await worker.stop(deadlineIn(5_000))
    }
  })

  it('does not start without Redis, and leaves nothing open', async () => {
    const away = loadConfig({ WORKERS: '1', PORT: '0', DATA_DIR: dataDir, REDIS_URL: 'redis://127.0.0.1:1' })
    const worker = createWebWorker({
      config: away,
      keys: deploymentKeys(unnamedSpace),
      slot: 1,
      log: pino({ level: 'silent' }),
      onFatal() {},
    })
    const outcome = await worker.start().then(
      () => 'started',
      () => 'refused',
    )
    expect(outcome).to.equal('refused')
    await worker.stop(deadlineIn(1_000))
  })
})
