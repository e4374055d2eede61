/** A Koa app as there are many, and the same on our parts: the bugs before, and their absence after. */
import { expect } from 'chai'
import { request } from 'node:http'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { copyExample, type Example } from '../support/example.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { send } from '../support/http.ts'
import { line, runProgram, type RunningProgram } from '../support/program.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

interface App {
  readonly url: string
  readonly program: RunningProgram
}

describe('the example of a Koa app that is moved to the parts', function () {
  this.timeout(120_000)
  const cleanUp = cleanUpAfterEach()
  let example: Example
  let redis: TestRedis

  before(async () => {
    example = await copyExample('upgrade-koa-app')
    redis = await startRedis()
  })
  after(async () => {
    await redis?.stop()
    await example?.remove()
  })

  async function start(which: 'before' | 'after'): Promise<App> {
    const port = await freePort()
    const program = runProgram(example.directory, `${which}/primary.js`, {
      PORT: String(port),
      REDIS_URL: redis.url,
      SECRET: 'a secret of the example',
    })
    cleanUp(async () => {
      program.signal('SIGTERM')
      await program.exited
    })
    const url = `http://127.0.0.1:${port}`
    await eventually(async () => expect((await send(`${url}/nothing`)).status).to.equal(404), 30_000)
    return { url, program }
  }

  async function signIn({ url }: App): Promise<string> {
    const answer = await send(`${url}/login?user=ada`, { method: 'POST' })
    expect(answer.status, answer.body).to.equal(204)
    const cookies = [answer.headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';')[0])
    return cookies.join('; ')
  }

  /** Signs out while a request of the same session is under way: its answer, and whether the session lives after both. */
  async function signOutDuringARequest(app: App): Promise<{ status: number | undefined; revived: boolean }> {
    const cookie = await signIn(app)
    const me = () => send(`${app.url}/me`, { headers: { cookie } })
    expect((await me()).status).to.equal(200)
    const note = request(`${app.url}/note`, { method: 'POST', headers: { cookie } })
    const answered = new Promise<number | undefined>((resolve, reject) => {
      note.once('response', (response) => response.resume().once('end', () => resolve(response.statusCode)))
      note.once('error', reject)
    })
    note.write('half a note')
    await line(app.program, 'a note begins')
    const out = await send(`${app.url}/logout`, { method: 'POST', headers: { cookie } })
    expect(out.status, out.body).to.equal(204)
    expect((await me()).status).to.equal(401)
    note.end(', and the rest')
    const status = await answered
    return { status, revived: (await me()).status === 200 }
  }

  async function admittedOf({ url }: App, count: number): Promise<number> {
    const answers = await Promise.all(Array.from({ length: count }, () => send(`${url}/search`)))
    for (const { status } of answers) expect([200, 429]).to.include(status)
    return answers.filter(({ status }) => status === 200).length
  }

  it('before: a request that was under way signs in again who has signed out', async () => {
    expect(await signOutDuringARequest(await start('before'))).to.deep.equal({ status: 204, revived: true })
  })

  it('after: who has signed out stays signed out', async () => {
    expect(await signOutDuringARequest(await start('after'))).to.deep.equal({ status: 401, revived: false })
  })

  it('before: a limit of 10 admits 10 on each worker', async () => {
    expect(await admittedOf(await start('before'), 60)).to.be.greaterThan(10)
  })

  it('after: a limit of 10 admits 10', async () => {
    expect(await admittedOf(await start('after'), 60)).to.equal(10)
  })

  it('after: a reload replaces the workers, and nobody is signed out', async () => {
    const app = await start('after')
    const cookie = await signIn(app)
    app.program.signal('SIGHUP')
    await line(app.program, 'reloaded')
    expect((await send(`${app.url}/me`, { headers: { cookie } })).status).to.equal(200)
  })
})
