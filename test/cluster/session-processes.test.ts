/** What an application with a server of its own relies on, between processes that can hang. */
import { expect } from 'chai'
import { Redis } from 'ioredis'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { trackChild } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'
import { hold, send } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { visitor, type StoreApp } from '../support/store-apps.ts'

const fixture = path.join(import.meta.dirname, '..', 'fixtures', 'session-worker.ts')

interface Worker extends StoreApp {
  readonly process: ChildProcess
}

describe('two processes of an application with a server of its own', function () {
  this.timeout(120_000)
  let redis: TestRedis
  let workers: Worker[] = []

  before(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    for (const worker of workers) await worker.stop()
    workers = []
  })
  after(() => redis.stop())

  async function launch(kind: string): Promise<Worker> {
    const child = fork(fixture, [redis.url, kind], { execArgv: process.execArgv, stdio: 'inherit' })
    trackChild(child.pid ?? 0, `a worker with ${kind}`)
    const [url] = (await once(child, 'message')) as [string]
    return {
      process: child,
      url,
      holdNote: () => {
        throw new Error('hold its body instead')
      },
      async stop() {
        child.kill('SIGCONT')
        child.kill('SIGKILL')
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      },
    }
  }

  for (const kind of ['koa-session', 'express-session']) {
    it(`${kind}: a process that hung in the middle of a request revives nothing when it goes on`, async () => {
      workers = await Promise.all([launch(kind), launch(kind)])
      const [first, second] = workers as [Worker, Worker]
      const browser = visitor()
      expect((await browser.send(first, '/login?user=ann')).status).to.equal(204)
      expect((await browser.send(second, '/me')).status).to.equal(200)
      const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const held = await hold(`${second.url}/note?text=late`, {
        method: 'POST',
        headers: { cookie },
        body: 'x'.repeat(100),
        timeoutMs: 30_000,
      })
      second.process.kill('SIGSTOP')
      const thief = browser.copy()
      expect((await browser.send(first, '/logout', { timeoutMs: 30_000 })).status).to.equal(204)
      second.process.kill('SIGCONT')
      const late = await held.finish()
      // One that slept finds its connections late: an outage, for a moment.
      expect(late.status).to.be.oneOf([204, 401, 503])
      for (const worker of workers) {
        const refused = await eventually(async () => {
          const { status } = await thief.copy().send(worker, '/me')
          if (status === 503) throw new Error('not there yet')
          return status
        })
        expect(refused).to.equal(401)
      }
    })
  }

  it('a process that hung while a token was revoked does not accept it from memory when it goes on', async () => {
    workers = await Promise.all([launch('remote'), launch('remote')])
    const [first, second] = workers as [Worker, Worker]
    const headers = { authorization: 'Bearer a-token-that-the-service-likes' }
    for (let round = 0; round < 2; round++) {
      for (const worker of workers) expect((await send(`${worker.url}/me`, { headers })).status).to.equal(200)
    }
    second.process.kill('SIGSTOP')
    // And what it would have been told is lost.
    const operator = new Redis(redis.url)
    await operator.client('KILL', 'TYPE', 'PUBSUB')
    operator.disconnect()
    const out = await send(`${first.url}/logout`, { method: 'POST', headers, timeoutMs: 30_000 })
    expect(out.status).to.equal(204)
    const waiting = Array.from({ length: 10 }, () => send(`${second.url}/me`, { headers, timeoutMs: 30_000 }))
    second.process.kill('SIGCONT')
    for (const { status } of await Promise.all(waiting)) expect(status).to.be.oneOf([401, 503])
    expect((await send(`${first.url}/me`, { headers })).status).to.equal(401)
  })
})
