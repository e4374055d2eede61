/** Streams and sockets of an application on real workers: what a logout, a hung worker and a reload do to them. */
import { mkdir, mkdtemp, rm, symlink, copyFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { WebSocket } from 'ws'
import { admin, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { openEventStream, type EventStreamClient } from '../support/event-stream.ts'
import { signIn, type SignedIn } from '../support/http.ts'

const root = path.join(import.meta.dirname, '..', '..')

describe('streams and sockets of an application on real workers', function () {
  this.timeout(90_000)
  let directory: string
  let cluster: TestCluster

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lockstep-demo-'))
    await mkdir(path.join(directory, 'node_modules'))
    await symlink(root, path.join(directory, 'node_modules', 'lockstep'))
    await copyFile(path.join(root, 'test', 'fixtures', 'demo', 'app.js'), path.join(directory, 'app.js'))
    cluster = await startCluster({
      applicationFile: './app.js',
      cwd: directory,
      jobWorkers: 1,
      env: { ...withoutLimits, STEP: '2' },
    })
  })
  after(async () => {
    await cluster?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const as = ({ token }: SignedIn) => ({ Authorization: `Bearer ${token}` })
  const signedIn = () => signIn(cluster.url, { ...admin, transport: 'token' })

  /** Streams on each of the workers. */
  async function openFeeds(session: SignedIn, count = 6): Promise<EventStreamClient[]> {
    const feeds = await Promise.all(
      Array.from({ length: count }, () => openEventStream(`${cluster.url}/feed`, as(session))),
    )
    for (const feed of feeds) expect(feed.status).to.equal(200)
    expect(new Set(feeds.map(({ headers }) => headers['x-worker'])).size).to.equal(2)
    await eventually(() => feeds.forEach((feed) => expect(feed.events()).to.not.have.length(0)), 10_000)
    return feeds
  }

  it('a job of the application has its result', async () => {
    const session = await signedIn()
    const asked = await session.send('/ticks', { method: 'POST', body: { n: 40 } })
    expect(asked.status).to.equal(202)
    await eventually(async () => {
      const job = await session.send(`/api/v1/jobs/tick/${asked.json().id}`)
      expect(job.json()).to.include({ state: 'completed', result: 42 })
    }, 20_000)
  })

  it('a logout ends the streams and sockets on every worker before its 204 arrives', async () => {
    const session = await signedIn()
    const feeds = await openFeeds(session)
    const sockets = Array.from(
      { length: 4 },
      () => new WebSocket(`${cluster.url.replace('http', 'ws')}/echo`, { headers: as(session) }),
    )
    const codes = sockets.map((socket) => new Promise<number>((resolve) => socket.once('close', resolve)))
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('open', resolve))))
    expect((await session.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
    const delivered = feeds.map((feed) => feed.events().length)
    await Promise.all(feeds.map(({ ended }) => ended))
    expect(await Promise.all(codes)).to.deep.equal([4401, 4401, 4401, 4401])
    for (const [index, feed] of feeds.entries()) {
      expect(feed.events().at(-1)).to.include({ event: 'session-ended' })
      // The end itself may still have been on its way.
      expect(feed.events().length - (delivered[index] ?? 0)).to.be.at.most(1)
    }
  })

  it('a worker that is stopped during a logout delivers nothing when it comes back', async () => {
    const session = await signedIn()
    const feeds = await openFeeds(session)
    const stopped = feeds.filter(({ headers }) => headers['x-worker'] === 'web-2')
    cluster.signalWorker(2, 'SIGSTOP')
    try {
      const logout = await eventually(async () => {
        const answer = await session.send('/api/v1/auth/logout', { method: 'POST', timeoutMs: 5_000 })
        expect(answer.status).to.equal(204)
        return answer
      }, 30_000)
      expect(logout.worker).to.equal('web-1')
      // What it had written before it was stopped has arrived by now.
      await pause(100)
      const before = stopped.map((feed) => feed.events().filter(({ event }) => event === 'message').length)
      cluster.signalWorker(2, 'SIGCONT')
      await Promise.all(stopped.map(({ ended }) => ended))
      const after = stopped.map((feed) => feed.events().filter(({ event }) => event === 'message').length)
      expect(after).to.deep.equal(before)
      for (const feed of stopped) expect(feed.events().at(-1)).to.include({ event: 'session-ended' })
    } finally {
      cluster.signalWorker(2, 'SIGCONT')
    }
  })

  it('a reload tells each of many streams when to come back, and loses none without a word', async () => {
    const session = await signedIn()
    const feeds = await openFeeds(session, 40)
    cluster.signal('SIGHUP')
    await Promise.all(feeds.map(({ ended }) => ended))
    const pauses = feeds.map((feed) => feed.retryMs())
    expect(pauses.every((ms) => ms !== null && ms >= 500 && ms <= 4_000)).to.equal(true)
    expect(new Set(pauses).size).to.be.greaterThan(10)
    await openFeeds(session, 6).then((again) => again.forEach((feed) => feed.close()))
    await session.send('/api/v1/auth/logout', { method: 'POST' })
  })
})
