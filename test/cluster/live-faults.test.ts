/** Open streams on real workers while Redis, its messages and the workers themselves are hurt. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { machineMs, onOurClock } from '../chaos/shared-clock.ts'
import { makeApplicationFolder, type ApplicationFolder } from '../support/application-folder.ts'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { openEventStream, type EventStreamClient } from '../support/event-stream.ts'
import { signIn, type SignedIn } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

/** `/feed` says its number and when it was sent; `/flood` sends as much as it is let. */
const application = `
import { defineApp, defineStream } from 'lockstep'

export default defineApp({
  name: 'faults',
  streams: [
    defineStream({
      path: '/feed', access: 'signed-in', limits: [], summary: 'Numbers',
      open(ctx, { send, signal }) {
        let n = 0
        const timer = setInterval(() => send({ data: n++ + ' ' + Number(process.hrtime.bigint()) / 1e6 }), 40)
        signal.addEventListener('abort', () => clearInterval(timer))
      },
    }),
    defineStream({
      path: '/flood', access: 'signed-in', limits: [], summary: 'Much',
      open(ctx, { send, signal }) {
        const timer = setInterval(() => { for (let n = 0; n < 20 && send({ data: 'x'.repeat(100_000) }); n++); }, 1)
        signal.addEventListener('abort', () => clearInterval(timer))
      },
    }),
  ],
})
`

describe('open streams on real workers', function () {
  this.timeout(120_000)
  let folder: ApplicationFolder
  let redis: TestRedis
  let proxy: TcpProxy
  let cluster: TestCluster

  before(async () => {
    folder = await makeApplicationFolder({ 'app.js': application })
    redis = await startRedis({ persistence: 'always' })
    const { hostname, port } = new URL(redis.url)
    proxy = await startTcpProxy({ host: hostname, port: Number(port) })
    cluster = await startCluster({
      applicationFile: './app.js',
      cwd: folder.path,
      redisUrl: `redis://127.0.0.1:${proxy.port}`,
      env: { ...withoutLimits, SESSION_DURABILITY: 'keep', MAX_SESSIONS_PER_USER: '1000' },
    })
  })
  afterEach(() => {
    redis.thaw()
    proxy.heal('commands')
    proxy.heal('subscriber')
    proxy.cut('subscriber')
  })
  after(async () => {
    await cluster?.stop()
    await proxy?.stop()
    await redis?.stop()
    await folder?.remove()
  })

  const as = ({ token }: SignedIn) => ({ Authorization: `Bearer ${token}` })
  const signedIn = () => signIn(cluster.url, { ...admin, transport: 'token' })

  async function openFeeds(session: SignedIn, count = 6, path = '/feed'): Promise<EventStreamClient[]> {
    const feeds = await Promise.all(
      Array.from({ length: count }, () => openEventStream(cluster.url + path, as(session))),
    )
    for (const feed of feeds) expect(feed.status).to.equal(200)
    return feeds
  }

  const bothWorkers = (feeds: readonly EventStreamClient[]) =>
    expect(new Set(feeds.map(({ headers }) => headers['x-worker'])).size).to.equal(2)

  const numbersOf = (feed: EventStreamClient) =>
    feed
      .events()
      .filter(({ event }) => event === 'message')
      .map(({ data }) => Number(data.split(' ')[0]))

  const lastSentAt = (feed: EventStreamClient) =>
    Math.max(
      ...feed
        .events()
        .filter(({ event }) => event === 'message')
        .map(({ data }) => onOurClock(Number(data.split(' ')[1]))),
    )

  const flowing = (feeds: readonly EventStreamClient[], more = 5) => {
    const before = feeds.map((feed) => numbersOf(feed).length)
    return eventually(
      () => feeds.forEach((feed, i) => expect(numbersOf(feed).length).to.be.above((before[i] ?? 0) + more)),
      20_000,
    )
  }

  /** Nothing was missing and nothing came twice. */
  function expectWhole(feeds: readonly EventStreamClient[]): void {
    for (const feed of feeds) {
      const numbers = numbersOf(feed)
      expect(numbers).to.deep.equal(numbers.map((_, i) => i))
    }
  }

  async function logOut(session: SignedIn): Promise<number> {
    return eventually(async () => {
      const answer = await session.send('/api/v1/auth/logout', { method: 'POST', timeoutMs: 15_000 })
      expect(answer.status).to.equal(204)
      return performance.now()
    }, 60_000)
  }

  /** All have been told, and nothing was sent after the success. */
  async function expectEnded(feeds: readonly EventStreamClient[], succeededAt: number): Promise<void> {
    await Promise.all(feeds.map(({ ended }) => ended))
    for (const feed of feeds) {
      expect(feed.events().at(-1)).to.include({ event: 'session-ended' })
      expect(lastSentAt(feed)).to.be.below(succeededAt)
    }
  }

  it('share a clock with this test', () => {
    expect(Math.abs(onOurClock(machineMs()) - performance.now())).to.be.below(5)
  })

  for (const [what, hurt] of [
    ['messages are lost', () => proxy.swallow('subscriber')],
    ['a subscriber is dead', () => (proxy.swallow('subscriber'), proxy.heal('subscriber'))],
    ['messages are late', () => proxy.delayReplies('subscriber', 700)],
    ['replies are late', () => proxy.delayReplies('commands', 300)],
  ] as const) {
    it(`are sent nothing after a logout while ${what}`, async () => {
      const session = await signedIn()
      const feeds = await openFeeds(session)
      bothWorkers(feeds)
      await flowing(feeds)
      hurt()
      await expectEnded(feeds, await logOut(session))
    })
  }

  it('are held back while Redis is frozen, and then go on with all that was', async () => {
    const session = await signedIn()
    const feeds = await openFeeds(session)
    bothWorkers(feeds)
    await flowing(feeds)
    redis.freeze()
    await pause(2_500)
    const held = feeds.map((feed) => numbersOf(feed).length)
    await pause(500)
    expect(feeds.map((feed) => numbersOf(feed).length)).to.deep.equal(held)
    redis.thaw()
    await flowing(feeds)
    expectWhole(feeds)
    await expectEnded(feeds, await logOut(session))
  })

  it('go on when Redis was killed and restarted, and still end with their session', async () => {
    const session = await signedIn()
    const feeds = await openFeeds(session)
    await flowing(feeds)
    await redis.kill('SIGKILL')
    await pause(500)
    await redis.restart()
    await flowing(feeds)
    expectWhole(feeds)
    await expectEnded(feeds, await logOut(session))
  })

  it('are sent nothing by a worker that was stopped during the logout', async () => {
    const session = await signedIn()
    const feeds = await openFeeds(session)
    bothWorkers(feeds)
    await flowing(feeds)
    cluster.signalWorker(2, 'SIGSTOP')
    try {
      const succeededAt = await logOut(session)
      cluster.signalWorker(2, 'SIGCONT')
      await expectEnded(feeds, succeededAt)
    } finally {
      cluster.signalWorker(2, 'SIGCONT')
    }
  })

  it('grow no memory for readers that do not read', async () => {
    const session = await signedIn()
    const rss = async () => {
      const { workers } = (await session.send('/api/v1/admin/workers')).json()
      return Math.max(...workers.map(({ rssBytes }: { rssBytes: number }) => rssBytes ?? 0))
    }
    const before = await rss()
    const readers = await openFeeds(session, 30, '/flood')
    readers.forEach((reader) => reader.pause())
    await pause(3_000)
    // Each may leave 1 MiB, and what the system buffers is not ours. They were offered two gigabytes a second.
    expect((await rss()) - before).to.be.below(400 * 1_048_576)
    readers.forEach((reader) => reader.resume())
    await Promise.all(readers.map(({ ended }) => ended))
    for (const reader of readers) expect(reader.text()).to.include('event: too-slow')
    await logOut(session)
  })

  it('are told, a thousand of them, when to come back before a reload, and all come back', async () => {
    const operator = await signedIn()
    const people = await Promise.all(
      Array.from({ length: 25 }, async (_, i) => {
        const person = { email: `person-${i}@example.com`, password: `twenty-five-Geese-on-pond-${i}` }
        const body = { ...person, name: 'Person', roles: ['user'] }
        const made = await operator.send('/api/v1/admin/users', { method: 'POST', body, timeoutMs: 60_000 })
        expect(made.status).to.equal(201)
        return signIn(cluster.url, { ...person, transport: 'token' })
      }),
    )
    const owners = people.flatMap((person) => Array.from({ length: 40 }, () => person))
    const feeds = await Promise.all(owners.map((owner) => openEventStream(`${cluster.url}/feed`, as(owner))))
    expect(feeds.filter(({ status }) => status !== 200)).to.have.length(0)
    cluster.signal('SIGHUP')
    await Promise.all(feeds.map(({ ended }) => ended))
    const pauses = feeds.map((feed) => feed.retryMs())
    expect(pauses.filter((ms) => ms === null || ms < 500 || ms > 4_000)).to.have.length(0)
    expect(new Set(pauses).size).to.be.greaterThan(500)
    for (const feed of feeds) {
      const numbers = numbersOf(feed)
      expect(numbers).to.deep.equal(numbers.map((_, i) => i))
    }
    // As browsers do: after the pause that each was told.
    const back = await Promise.all(
      owners.map(async (owner, i) => {
        await pause(pauses[i] ?? 0)
        return openEventStream(`${cluster.url}/feed`, as(owner))
      }),
    )
    expect(back.filter(({ status }) => status !== 200)).to.have.length(0)
    back.forEach((feed) => feed.close())
  })
})
