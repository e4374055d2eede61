import { expect } from 'chai'
import Koa from 'koa'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import {
  koaRemoteSessions,
  remoteSessions,
  type RemoteSession,
  type RemoteSessions,
} from '../../shared/session-cache/index.ts'
import { openDomain, type DomainService } from '../../shared/domain/open-domain.ts'
import { openSessions } from '../../shared/sessions/index.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { eventually } from '../support/eventually.ts'
import { send } from '../support/http.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { rejection } from '../support/rejection.ts'

/** The service, which its test can hold, break and lie through. */
function createService() {
  const sessions = new Map<string, RemoteSession>()
  let gate: Promise<void> | null = null
  let failure: Error | null = null
  const service = {
    validations: 0,
    revocations: 0,
    /** Goes on accepting what it was told to end. */
    forgetsRevocations: false,
    signIn(userId: string, livesMs = 3_600_000): string {
      const token = randomBytes(24).toString('base64url')
      sessions.set(token, { userId, expiresAt: Date.now() + livesMs, data: { name: userId } })
      return token
    },
    end: (token: string) => sessions.delete(token),
    endUser(userId: string) {
      for (const [token, session] of sessions) if (session.userId === userId) sessions.delete(token)
    },
    break: (cause: Error | null) => (failure = cause),
    /** Answers that were made already wait for the release. */
    hold() {
      let release = () => {}
      gate = new Promise((resolve) => (release = resolve))
      return () => {
        gate = null
        release()
      }
    },
    async validate(token: string): Promise<RemoteSession | null> {
      service.validations++
      if (failure) throw failure
      const answer = sessions.get(token) ?? null
      await gate
      return answer
    },
    async revoke(token: string): Promise<void> {
      service.revocations++
      if (failure) throw failure
      if (!service.forgetsRevocations) sessions.delete(token)
    },
  }
  return service
}

describe('sessions that another service validates, two workers', () => {
  let redis: TestRedis
  let operator: Redis
  let service: ReturnType<typeof createService>
  let workers: RemoteSessions[]

  before(async () => {
    redis = await startRedis()
    operator = new Redis(redis.url)
  })
  after(async () => {
    operator.disconnect()
    await redis.stop()
  })
  afterEach(() => Promise.all(workers.map((worker) => worker.stop(deadlineIn(2_000)))))

  async function start(over: object = {}): Promise<void> {
    service = createService()
    workers = [1, 2].map(() =>
      remoteSessions({
        name: 'remote',
        app: null,
        redis: redis.url,
        validate: service.validate,
        revoke: service.revoke,
        cacheMs: 60_000,
        whenAway: 'serve-cached',
        timeoutMs: 500,
        ...over,
      }),
    )
    await Promise.all(workers.map((worker) => worker.start()))
  }
  const [first, second] = [() => workers[0]!, () => workers[1]!]
  const everywhere = (token: string) =>
    Promise.all(workers.map(async (worker) => (await worker.get(token))?.userId ?? null))

  it('the service is asked once for all, and memory answers after that', async () => {
    await start()
    const token = service.signIn('ann')
    expect(await everywhere(token)).to.deep.equal(['ann', 'ann'])
    for (const worker of workers)
      expect(worker.get(token)).to.deep.include({ userId: 'ann', data: { name: 'ann' } })
    expect(service.validations).to.be.at.most(2)
    const before = service.validations
    await everywhere(token)
    expect(service.validations).to.equal(before)
  })

  it('Redis never sees a token', async () => {
    await start()
    const token = service.signIn('ann')
    await everywhere(token)
    await first().revoke(token)
    for (const key of await operator.keys('*')) {
      expect(key).to.not.contain(token)
      if ((await operator.type(key)) === 'hash') {
        expect(JSON.stringify(await operator.hgetall(key))).to.not.contain(token)
      }
    }
  })

  it('a logout is true on every worker when it is answered, and ended at the service', async () => {
    await start()
    const token = service.signIn('ann')
    await everywhere(token)
    await first().revoke(token)
    expect(await everywhere(token)).to.deep.equal([null, null])
    expect(service.revocations).to.equal(1)
  })

  it('a logout stays true although the service goes on accepting the token', async () => {
    await start()
    service.forgetsRevocations = true
    const token = service.signIn('ann')
    await everywhere(token)
    await first().revoke(token)
    await first().invalidate(token)
    await first().clear()
    expect(await everywhere(token)).to.deep.equal([null, null])
    expect(await second().set(token, { userId: 'ann', expiresAt: null, data: null })).to.equal('refused')
  })

  it('an answer that crosses a logout is refused, by the one who waits and by those who come after', async () => {
    await start({ timeoutMs: 10_000 })
    const token = service.signIn('ann')
    const release = service.hold()
    const crossing = workers.map(async (worker) => worker.get(token))
    await eventually(() => expect(service.validations).to.equal(2))
    await first().revoke(token)
    const after = everywhere(token)
    release()
    expect(await Promise.all(crossing)).to.deep.equal([null, null])
    expect(await after).to.deep.equal([null, null])
    expect(await everywhere(token)).to.deep.equal([null, null])
  })

  it('so is one that crosses the end of all sessions of its user, or of everybody', async () => {
    await start({ timeoutMs: 10_000 })
    for (const end of [
      (worker: RemoteSessions) => worker.invalidateByUser('ann'),
      (worker: RemoteSessions) => worker.clear(),
    ]) {
      const token = service.signIn('ann')
      const before = service.validations
      const release = service.hold()
      const crossing = workers.map(async (worker) => worker.get(token))
      await eventually(() => expect(service.validations).to.equal(before + 2))
      service.endUser('ann')
      await end(second())
      release()
      expect(await Promise.all(crossing)).to.deep.equal([null, null])
      expect(await everywhere(token)).to.deep.equal([null, null])
    }
  })

  it('an end by token concerns no other session, an end by user no other user', async () => {
    await start()
    const [mine, mineToo, other] = ['ann', 'ann', 'bob'].map((user) => service.signIn(user))
    for (const token of [mine, mineToo, other]) await everywhere(token!)
    const asked = service.validations
    await first().revoke(mine!)
    expect(await everywhere(mineToo!)).to.deep.equal(['ann', 'ann'])
    expect(service.validations).to.equal(asked)
    service.endUser('ann')
    await first().invalidateByUser('ann')
    expect(await everywhere(mineToo!)).to.deep.equal([null, null])
    expect(await everywhere(other!)).to.deep.equal(['bob', 'bob'])
    expect(service.validations).to.equal(asked + 2)
  })

  it('what was changed at the service is seen by every worker after an invalidation', async () => {
    await start()
    const token = service.signIn('ann')
    await everywhere(token)
    service.end(token)
    expect(await everywhere(token)).to.deep.equal(['ann', 'ann'])
    await second().invalidate(token)
    expect(await everywhere(token)).to.deep.equal([null, null])
  })

  it('nothing is kept beyond cacheMs, nor beyond the expiry of the session', async () => {
    await start({ cacheMs: 150 })
    const token = service.signIn('ann')
    await everywhere(token)
    service.end(token)
    await eventually(async () => expect(await everywhere(token)).to.deep.equal([null, null]))
    const short = service.signIn('bob', 150)
    await everywhere(short)
    await eventually(async () => expect(await everywhere(short)).to.deep.equal([null, null]))
  })

  it('requests at the same time ask the service once', async () => {
    await start()
    const token = service.signIn('ann')
    const release = service.hold()
    const all = Array.from({ length: 20 }, async () => first().get(token))
    await eventually(() => expect(service.validations).to.equal(1))
    release()
    expect((await Promise.all(all)).map((session) => session?.userId)).to.deep.equal(Array(20).fill('ann'))
    expect(service.validations).to.equal(1)
  })

  it('nobody is let in by a request that was sent after an end was answered, whatever crosses it', async () => {
    await start({
      timeoutMs: 10_000,
      // Answers of the moment at which it is asked, that are late by various times.
      async validate(token: string) {
        const answer = await service.validate(token)
        await pause(Math.floor(Math.random() * 25))
        return answer
      },
    })
    const endedAt = new Map<string, number>()
    const violations: string[] = []
    let letIn = 0
    let over = false
    const live: { token: string; user: string }[] = []

    async function read(worker: RemoteSessions): Promise<void> {
      const { token } = live[Math.floor(Math.random() * live.length)]!
      const sentAt = performance.now()
      const session = await worker.get(token)
      if (session === null) return
      letIn++
      if (sentAt > (endedAt.get(token) ?? Infinity)) violations.push(token)
    }
    async function reader(worker: RemoteSessions): Promise<void> {
      while (!over) {
        // Open loop: the next one does not wait for those that are under way.
        void read(worker)
        await pause(1)
      }
    }
    async function ender(round: number): Promise<void> {
      for (let n = 0; n < 25; n++) {
        const user = `user-${round}-${n}`
        const tokens = [service.signIn(user), service.signIn(user)]
        live.push(...tokens.map((token) => ({ token, user })))
        await pause(Math.floor(Math.random() * 40))
        if (n % 2) for (const token of tokens) await workers[n % 4 === 1 ? 0 : 1]!.revoke(token)
        else {
          service.endUser(user)
          await workers[n % 4 ? 0 : 1]!.invalidateByUser(user)
        }
        const now = performance.now()
        for (const token of tokens) endedAt.set(token, now)
        await pause(30)
        live.splice(0, Math.max(0, live.length - 12))
      }
    }
    live.push({ token: service.signIn('first'), user: 'first' })
    const readers = workers.flatMap((worker) => [reader(worker), reader(worker)])
    await Promise.all([ender(1), ender(2)])
    over = true
    await Promise.all(readers)
    expect(violations).to.deep.equal([])
    expect(letIn).to.be.greaterThan(100)
  })

  it('set keeps what a login has answered, unless it crossed an end', async () => {
    await start()
    const session = { userId: 'ann', expiresAt: Date.now() + 60_000, data: { from: 'login' } }
    expect(await first().set('a-token-from-the-login', session)).to.equal('kept')
    expect((await second().get('a-token-from-the-login'))?.data).to.deep.equal({ from: 'login' })
    expect(service.validations).to.equal(0)
    const ticket = first().ticket()
    await second().invalidateByUser('ann')
    expect(await first().set('another-token-from-it', session, ticket)).to.equal('refused')
    expect((await rejection(first().set('a-third-token', { ...session, expiresAt: 1_700_000_000 }))) as Error)
      .to.have.property('message')
      .that.matches(/seconds/)
    expect((await rejection(first().set('short', session))) as Error).to.be.instanceOf(TypeError)
  })

  it('a token of the wrong alphabet is refused without asking anybody', async () => {
    await start({ tokenForm: /^[\w-]{32}$/ })
    for (const token of [
      '',
      'x',
      'ä'.repeat(32),
      `${'a'.repeat(31)} `,
      'a'.repeat(33),
      '*',
      undefined as never,
    ]) {
      expect(first().get(token)).to.equal(null)
      await first().revoke(token)
    }
    expect([service.validations, service.revocations]).to.deep.equal([0, 0])
  })

  describe('a service that is away', () => {
    it('serve-cached: what is kept is served until its time, the rest is an outage', async () => {
      await start({ cacheMs: 1_500 })
      const [known, unknown] = [service.signIn('ann'), service.signIn('bob')]
      await everywhere(known)
      service.break(new Error('connect ECONNREFUSED'))
      expect(await everywhere(known)).to.deep.equal(['ann', 'ann'])
      expect(await rejection((async () => first().get(unknown))())).to.include({
        name: 'IdentityServiceAway',
        status: 503,
      })
      expect(await everywhere(known)).to.deep.equal(['ann', 'ann'])
      await eventually(async () => {
        for (const worker of workers) await rejection((async () => worker.get(known))())
      })
    })

    it('refuse: from the first question that fails nobody is served, until one is answered', async () => {
      await start({ whenAway: 'refuse' })
      const [known, unknown] = [service.signIn('ann'), service.signIn('bob')]
      await everywhere(known)
      service.break(new Error('connect ECONNREFUSED'))
      expect(await everywhere(known), 'nobody has noticed').to.deep.equal(['ann', 'ann'])
      await rejection((async () => first().get(unknown))())
      expect(await rejection((async () => first().get(known))())).to.have.property('status', 503)
      expect(await first().healthCheck()).to.include({ ok: false, service: 'away', redis: 'up' })
      service.end(known)
      service.break(null)
      await eventually(async () => expect(await first().get(known), 'and what ended there').to.equal(null))
      expect(await first().healthCheck()).to.include({ ok: true, service: 'up' })
      // It was ended by others: the one who has noticed tells, and nobody waits for that.
      await eventually(async () => expect(await everywhere(known)).to.deep.equal([null, null]))
    })

    it('that hangs, throws, or answers nonsense lets nobody in', async () => {
      let behave: () => unknown = () => null
      await start({ validate: async () => behave(), timeoutMs: 50 })
      for (const [act, status] of [
        [() => new Promise(() => {}), 503],
        [() => Promise.reject(new Error('boom')), 503],
        [() => undefined, 502],
        [() => ({ userId: 'ann', expiresAt: Date.now() / 1_000 + 60 }), 502],
        [() => ({ userId: '' }), 502],
        [() => 'ann', 502],
      ] as const) {
        behave = act
        for (const worker of workers) {
          expect(await rejection((async () => worker.get('a-token-of-somebody'))())).to.have.property(
            'status',
            status,
          )
        }
      }
      for (const act of [() => null, () => ({ userId: 'ann', expiresAt: Date.now() - 1 })]) {
        behave = act
        expect(await everywhere('a-token-of-somebody')).to.deep.equal([null, null])
      }
    })

    it('makes a logout unconfirmed, which is in effect here all the same and may be asked for again', async () => {
      await start()
      const token = service.signIn('ann')
      await everywhere(token)
      service.break(new Error('connect ECONNREFUSED'))
      expect(await rejection(first().revoke(token))).to.include({
        code: 'revocation-unconfirmed',
        status: 503,
      })
      service.break(null)
      expect(await everywhere(token)).to.deep.equal([null, null])
      await second().revoke(token)
    })
  })

  it('a Redis that is away is an outage, and its data may be gone afterwards', async () => {
    await start()
    const token = service.signIn('ann')
    await everywhere(token)
    redis.freeze()
    try {
      await eventually(async () => {
        expect(await rejection((async () => first().get(token))())).to.include({
          name: 'Unavailable',
          status: 503,
        })
      })
      expect(await first().healthCheck()).to.include({ ok: false, redis: 'away' })
    } finally {
      redis.thaw()
    }
    await eventually(async () => expect(await everywhere(token)).to.deep.equal(['ann', 'ann']))
    service.end(token)
    await redis.restart({ wipe: true })
    await eventually(async () => expect(await everywhere(token)).to.deep.equal([null, null]))
  })

  it('garbage where its entries belong is passed over, and the service asked', async () => {
    await start()
    const token = service.signIn('ann')
    await operator.flushall()
    await everywhere(token)
    const [key = ''] = await operator.keys('*:r:*')
    const garbage: (() => Promise<unknown>)[] = [
      () => operator.set(key, 'text'),
      () => operator.hset(key, 'value', '{'),
      () => operator.hset(key, 'until', 'soon'),
      () => operator.hset(key, 'uid', ''),
      () => operator.hset(key, 'seq', 'x'),
      () => operator.hdel(key, 'epoch'),
      () => operator.hset(key, 'dropped', 'x'),
      () => operator.lpush(key.replace(/r:[^:]*$/, 'ra'), 'x'),
    ]
    for (const damage of garbage) {
      if ((await operator.type(key)) === 'string') await operator.del(key)
      await damage()
      for (const worker of workers) await worker.stop(deadlineIn(1_000))
      await Promise.all(workers.map((worker) => worker.start()))
      expect(await everywhere(token)).to.deep.equal(['ann', 'ann'])
    }
  })

  it('an answer of Redis that is overtaken by an end is not kept in memory', async () => {
    await start()
    const domain = openDomain({ name: 'remote', redis: redis.url, app: null })
    await domain.start()
    let gate: Promise<void> | null = null
    const slow: DomainService = {
      ...domain,
      use: () => ({ ...domain.use(), redis: withSlowAnswers(domain.use().redis, () => gate) }),
    }
    const remote = remoteSessions({ domain: slow, ...rules() })
    await remote.start()
    const token = service.signIn('ann')
    await first().get(token)
    let release = () => {}
    gate = new Promise((resolve) => (release = resolve))
    const overtaken = remote.get(token)
    service.end(token)
    await first().invalidate(token)
    gate = null
    release()
    await overtaken
    expect(await remote.get(token)).to.equal(null)
    await remote.stop(deadlineIn(1_000))
    await domain.stop(deadlineIn(1_000))
  })

  /** Scripts run at once; their answers wait. */
  function withSlowAnswers(client: Redis, gate: () => Promise<void> | null): Redis {
    return new Proxy(client, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'evalsha') return value.bind(target)
        return async (...args: unknown[]) => {
          const wait = gate()
          const reply: unknown = await value.apply(target, args)
          await wait
          return reply
        }
      },
    })
  }

  it('shares the domain of sessions that are open already', async () => {
    await start()
    const sessions = openSessions({ name: 'both', redis: redis.url, app: null })
    await sessions.start()
    const remote = remoteSessions({ domain: sessions.domain, ...rules() })
    await remote.start()
    const token = service.signIn('ann')
    expect((await remote.get(token))?.userId).to.equal('ann')
    await remote.revoke(token)
    expect(await remote.get(token)).to.equal(null)
    await remote.stop(deadlineIn(1_000))
    await sessions.stop(deadlineIn(1_000))
  })

  function rules() {
    const { validate, revoke } = service
    return { validate, revoke, cacheMs: 60_000, whenAway: 'refuse' as const }
  }

  describe('the middleware', () => {
    let servers: Server[] = []
    afterEach(() => {
      for (const server of servers) {
        server.close()
        server.closeAllConnections()
      }
      servers = []
    })

    async function serve(remote: RemoteSessions, during?: () => Promise<void>): Promise<string> {
      const app = new Koa()
      app.silent = true
      app.use(koaRemoteSessions(remote) as Koa.Middleware)
      app.use(async (ctx: any) => {
        if (ctx.path === '/open') return void (ctx.body = 'open')
        if (ctx.path === '/logout') return ctx.remote.signOut()
        const session = ctx.remote.require()
        await during?.()
        ctx.body = session
      })
      const server = createServer(app.callback()).listen(0, '127.0.0.1')
      servers.push(server)
      await once(server, 'listening')
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    }
    const as = (token: string, own = true) => ({
      headers: { cookie: `sid=${token}`, ...(own ? { 'sec-fetch-site': 'same-origin' } : {}) },
    })

    it('answers who asks, and a logout is true on the other worker', async () => {
      await start()
      const [here, there] = await Promise.all(workers.map((worker) => serve(worker)))
      const token = service.signIn('ann')
      expect((await send(`${here}/me`, as(token))).json()).to.include({ userId: 'ann' })
      expect((await send(`${there}/me`, { headers: { authorization: `Bearer ${token}` } })).status).to.equal(
        200,
      )
      const out = await send(`${here}/logout`, { method: 'POST', ...as(token) })
      expect([out.status, out.cookies.get('sid')]).to.deep.equal([204, ''])
      expect((await send(`${there}/me`, as(token))).status).to.equal(401)
      expect((await send(`${there}/logout`, { method: 'POST', ...as(token) })).status, 'again').to.equal(204)
      expect((await send(`${there}/me`)).status).to.equal(401)
    })

    it('refuses a logout that another site makes a browser send', async () => {
      await start()
      const url = await serve(first())
      const token = service.signIn('ann')
      const foreign: Record<string, string>[] = [
        {},
        { 'sec-fetch-site': 'cross-site' },
        { origin: 'https://evil.example' },
      ]
      for (const headers of foreign) {
        const answer = await send(`${url}/logout`, {
          method: 'POST',
          headers: { cookie: `sid=${token}`, ...headers },
        })
        expect(answer.status).to.equal(403)
      }
      expect((await send(`${url}/me`, as(token))).status).to.equal(200)
    })

    it('sends nothing that was read for a session that ended meanwhile', async () => {
      await start()
      const token = service.signIn('ann')
      const url = await serve(first(), () => second().revoke(token))
      expect((await send(`${url}/me`, as(token))).status).to.equal(401)
    })

    it('answers 503 with Retry-After for an outage, keeps the cookie, and lets through who needs no session', async () => {
      await start()
      const url = await serve(first())
      const token = service.signIn('ann')
      service.break(new Error('connect ECONNREFUSED'))
      for (const [path, method] of [
        ['/me', 'GET'],
        ['/logout', 'POST'],
      ] as const) {
        const answer = await send(`${url}${path}`, { method, ...as(token) })
        expect([answer.status, answer.headers['retry-after'], answer.cookies.size]).to.deep.equal([
          503,
          '1',
          0,
        ])
      }
      expect((await send(`${url}/open`, as(token))).status).to.equal(200)
    })
  })
})
