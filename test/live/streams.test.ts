import { expect } from 'chai'
import { defineStream, type Stream, type StreamConnection } from '../../shared/app/stream.ts'
import { freshValue } from '../../shared/coherence/index.ts'
import type { WorkEnded } from '../../shared/live/work-ended.ts'
import { eventually } from '../support/eventually.ts'
import { openEventStream } from '../support/event-stream.ts'
import { startHttpApp, type HttpApp, type HttpAppOptions } from '../support/http-app.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

function reasonOf(stream: StreamConnection | undefined): string | undefined {
  return (stream?.signal.reason as WorkEnded | undefined)?.reason
}

describe('streams of events', () => {
  let redis: TestRedis
  const running: HttpApp[] = []
  const opened: StreamConnection[] = []
  const reasons: string[] = []

  const ticks = defineStream({
    path: '/ticks',
    access: 'signed-in',
    summary: 'Numbers',
    limits: [],
    open(_ctx, stream) {
      opened.push(stream)
      let n = 0
      const timer = setInterval(() => stream.send({ data: String(n++) }), 5)
      stream.signal.addEventListener('abort', () => {
        clearInterval(timer)
        reasons.push(reasonOf(stream) ?? 'none')
      })
    },
  })
  const quiet = defineStream({
    path: '/quiet/:channel',
    access: 'anyone',
    summary: 'A channel',
    limits: [],
    async open(ctx, stream) {
      opened.push(stream)
      await stream.join(String(ctx.state.params['channel']), { replay: true })
      stream.send({ event: 'joined', data: '' })
    },
  })
  const admins = defineStream({ ...ticks, path: '/admins', access: { roles: ['admin'] } })

  before(async () => {
    redis = await startRedis()
  })
  after(() => redis.stop())
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.stop()))
    opened.length = reasons.length = 0
  })

  async function start(streams: Stream[] = [ticks, quiet, admins], more: Partial<HttpAppOptions> = {}) {
    const app = await startHttpApp({ redisUrl: redis.url, streams, ...more })
    running.push(app)
    return app
  }

  async function twoWorkers() {
    const domain = freshValue()
    const one = await start(undefined, { domain })
    const other = await start(undefined, { domain })
    await one.register('ada@example.com')
    return { one, other, token: await one.signIn('ada@example.com') }
  }

  const as = (token: string) => ({ Authorization: `Bearer ${token}` })

  it('a logout on one worker ends the streams of all before it is answered', async () => {
    const { one, other, token } = await twoWorkers()
    const streams = await Promise.all(
      [one, other].map(({ url }) => openEventStream(`${url}/ticks`, as(token))),
    )
    await eventually(() => streams.forEach((stream) => expect(stream.events().length).to.be.above(3)))
    const { status } = await other.request('POST', '/api/v1/auth/logout', { bearer: token })
    expect(status).to.equal(204)
    expect(reasons).to.deep.equal(['session-ended', 'session-ended'])
    await Promise.all(streams.map(({ ended }) => ended))
    for (const stream of streams) {
      expect(stream.events().at(-1)).to.include({ event: 'session-ended' })
      expect(stream.events().filter(({ event }) => event === 'session-ended')).to.have.length(1)
    }
    expect(one.connections() + other.connections()).to.equal(0)
  })

  it('go on when another session of the user ends', async () => {
    const { one, token } = await twoWorkers()
    const second = await one.signIn('ada@example.com')
    const stream = await openEventStream(`${one.url}/ticks`, as(token))
    await one.request('POST', '/api/v1/auth/logout-all', { bearer: second, json: { keepCurrent: true } })
    await stream.ended
    const kept = await openEventStream(`${one.url}/ticks`, as(second))
    await one.request('POST', '/api/v1/auth/logout', { bearer: await one.signIn('ada@example.com') })
    const before = kept.events().length
    await eventually(() => expect(kept.events().length).to.be.above(before + 3))
    kept.close()
  })

  it('end when their user loses the role that they need', async () => {
    const app = await start()
    const { id } = await app.register('root@example.com', ['admin'])
    await app.register('second@example.com', ['admin'])
    const stream = await openEventStream(`${app.url}/admins`, as(await app.signIn('root@example.com')))
    expect(stream.status).to.equal(200)
    const demoted = await app.request('PATCH', `/api/v1/admin/users/${id}`, {
      bearer: await app.signIn('second@example.com'),
      json: { roles: ['user'] },
    })
    expect(demoted.status).to.equal(200)
    await stream.ended
    expect(stream.events().at(-1)).to.include({ event: 'access-lost' })
  })

  it('need a session before they open, and refuse what does not take events', async () => {
    const app = await start()
    expect((await openEventStream(`${app.url}/ticks`)).status).to.equal(401)
    expect((await openEventStream(`${app.url}/ticks`, as('x'.repeat(43)))).status).to.equal(401)
    const refused = await openEventStream(`${app.url}/quiet/a`, { Accept: 'application/json' })
    expect(refused.status).to.equal(406)
    expect(app.connections()).to.equal(0)
  })

  it('say who they are, beat while nothing happens, and leave nothing behind when the client goes', async () => {
    const app = await start(undefined, { liveBounds: { heartbeatMs: 20 } })
    const stream = await openEventStream(`${app.url}/quiet/silence`)
    expect(stream.headers['content-type']).to.equal('text/event-stream; charset=utf-8')
    expect(stream.headers['cache-control']).to.equal('no-store')
    await eventually(() => expect(stream.text().split(':\n\n').length).to.be.above(4))
    stream.close()
    await eventually(() => expect(app.connections()).to.equal(0))
    expect(reasonOf(opened[0])).to.equal('client-gone')
    expect(opened[0]?.send({ data: 'too late' })).to.equal(false)
  })

  it('tell their clients when to come back as the worker stops', async () => {
    const app = await start()
    const stream = await openEventStream(`${app.url}/quiet/any`)
    await eventually(() => expect(stream.events()).to.have.length(1))
    await running.pop()?.stop()
    await stream.ended
    expect(stream.retryMs()).to.be.within(500, 4_000)
    expect(app.connections()).to.equal(0)
  })

  it('carry what any worker tells a channel, a user or a session, and what was missed', async () => {
    const { one, other, token } = await twoWorkers()
    const first = await openEventStream(`${one.url}/quiet/news`)
    const mine = await openEventStream(`${other.url}/ticks`, as(token))
    await eventually(() => expect(first.events()).to.have.length(1))
    await other.broadcast('news', 'one', { replay: true })
    await eventually(() => expect(first.events().at(-1)).to.include({ data: 'one' }))
    const id = first.events().at(-1)?.id ?? ''
    first.close()
    await other.broadcast('news', 'two', { replay: true })
    const again = await openEventStream(`${other.url}/quiet/news`, { 'Last-Event-ID': id })
    await eventually(() => expect(again.events()[0]).to.include({ data: 'two' }))
    const identity = await one.sessions.authenticate(token)
    await one.broadcast({ user: identity?.user.id ?? '' }, { event: 'greeting', data: 'hello' })
    await eventually(() => expect(mine.events().map(({ event }) => event)).to.include('greeting'))
    again.close()
    mine.close()
  })

  it('bear a last event id that is none', async () => {
    const app = await start()
    for (const id of ['x', '0-0\t', '9'.repeat(2_000), '99999999999999999999-1']) {
      const stream = await openEventStream(`${app.url}/quiet/odd`, { 'Last-Event-ID': id })
      await eventually(() => expect(stream.events().at(-1)).to.include({ event: 'joined' }))
      stream.close()
    }
  })

  it('drop a reader that does not keep up, and say so', async () => {
    const flood = defineStream({
      path: '/flood',
      access: 'anyone',
      summary: 'Much',
      limits: [],
      open(_ctx, stream) {
        opened.push(stream)
        const timer = setInterval(() => {
          for (let n = 0; n < 20 && stream.send({ data: 'x'.repeat(10_000) }); n++);
        }, 1)
        stream.signal.addEventListener('abort', () => clearInterval(timer))
      },
    })
    const app = await start([flood])
    const stream = await openEventStream(`${app.url}/flood`)
    stream.pause()
    await eventually(() => expect(reasonOf(opened[0])).to.equal('too-slow'))
    stream.resume()
    await stream.ended
    await eventually(() => expect(app.connections()).to.equal(0))
  })

  it('are bounded for each user', async () => {
    const app = await start(undefined, { liveBounds: { perUser: 2 } })
    await app.register('ada@example.com')
    const token = await app.signIn('ada@example.com')
    const streams = [1, 2].map(() => openEventStream(`${app.url}/ticks`, as(token)))
    for (const stream of await Promise.all(streams)) expect(stream.status).to.equal(200)
    const third = await openEventStream(`${app.url}/ticks`, as(token))
    expect(third.status).to.equal(429)
    for (const stream of await Promise.all(streams)) stream.close()
    await eventually(() => expect(app.connections()).to.equal(0))
    const again = await openEventStream(`${app.url}/ticks`, as(token))
    expect(again.status).to.equal(200)
    again.close()
  })

  it('end clearly when their handler throws, at once or later, or sends what is no event', async () => {
    const failing = (path: string, open: Stream['open']) =>
      defineStream({ path, access: 'anyone', summary: 'Fails', limits: [], open })
    const app = await start([
      failing('/at-once', () => {
        throw new Error('at once')
      }),
      failing('/later', async (_ctx, { send }) => {
        send({ data: 'first' })
        await new Promise((resolve) => setTimeout(resolve, 5))
        throw new Error('later')
      }),
      failing('/huge', async (_ctx, { send }) => void send({ data: 'x'.repeat(10_000_000) })),
      failing('/lines', async (_ctx, { send }) => void send({ data: 'x', id: 'a\nb' })),
    ])
    expect((await openEventStream(`${app.url}/at-once`)).status).to.equal(500)
    for (const path of ['/later', '/huge', '/lines']) {
      const stream = await openEventStream(app.url + path)
      await stream.ended
      expect(stream.status, path).to.be.oneOf([200, 500])
    }
    expect(app.log()).to.contain('a stream failed').and.contain('an event may have')
    expect(app.connections()).to.equal(0)
  })

  it('do not keep a session alive', async () => {
    const app = await start(undefined, { env: { SESSION_IDLE: '400ms' } })
    await app.register('ada@example.com')
    const stream = await openEventStream(`${app.url}/ticks`, as(await app.signIn('ada@example.com')))
    await stream.ended
    expect(stream.events().at(-1)).to.include({ event: 'session-ended' })
  })

  it('that never ends or is sent to after its end troubles nobody', async () => {
    const results: boolean[] = []
    const never = defineStream({
      path: '/never',
      access: 'anyone',
      summary: 'Never resolves',
      limits: [],
      open(_ctx, stream) {
        opened.push(stream)
        return new Promise(() => {})
      },
    })
    const ends = defineStream({
      path: '/ends',
      access: 'anyone',
      summary: 'Ends by itself',
      limits: [],
      open(_ctx, stream) {
        stream.send({ data: 'first' })
        stream.end()
        results.push(stream.send({ data: 'after the end' }))
        stream.end()
      },
    })
    const app = await start([never, ends, quiet])
    const stuck = await openEventStream(`${app.url}/never`)
    const ended = await openEventStream(`${app.url}/ends`)
    await ended.ended
    expect(results).to.deep.equal([false])
    expect(ended.text()).to.not.include('after the end')
    stuck.close()
    await eventually(() => expect(app.connections()).to.equal(0))
    expect(reasonOf(opened[0])).to.equal('client-gone')
  })
})
