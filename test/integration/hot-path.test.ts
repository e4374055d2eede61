import { expect } from 'chai'
import { Server, type ServerResponse } from 'node:http'
import { startHttpApp, type HttpApp } from '../support/http-app.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

/** One layer that waits where it need not makes each request half as dear again (`npm run bench:hot-path`). */
describe('The hot path', () => {
  let redis: TestRedis
  let app: HttpApp
  const cleanUp = cleanUpAfterEach()

  before(async () => {
    redis = await startRedis()
    app = await startHttpApp({ redisUrl: redis.url })
    await app.register('ada@example.com')
  })
  after(async () => {
    await app.stop()
    await redis.stop()
  })

  /** Whether each request was answered by the time that its listeners returned. */
  function watchTurns(): boolean[] {
    const answered: boolean[] = []
    const { emit } = Server.prototype
    Server.prototype.emit = function (this: Server, ...event: any[]) {
      const heard = Reflect.apply(emit, this, event) as boolean
      if (event[0] === 'request') answered.push((event[2] as ServerResponse).writableEnded)
      return heard
    }
    cleanUp(() => void (Server.prototype.emit = emit))
    return answered
  }

  it('answers who is signed in from memory, within one turn of the event loop', async () => {
    const token = await app.signIn('ada@example.com')
    const ask = () => app.request('GET', '/api/v1/auth/me', { bearer: token })
    // The first ones ask Redis, and lease tokens of the limit.
    for (let asked = 0; asked < 3; asked++) expect((await ask()).status).to.equal(200)
    const answered = watchTurns()
    for (let asked = 0; asked < 10; asked++) expect((await ask()).status).to.equal(200)
    expect(answered.filter((each) => each).length).to.be.greaterThan(7)
  })
})
