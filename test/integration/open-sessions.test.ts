import { expect } from 'chai'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis-5'
import { openSessions, type OpenSessionsOptions } from '../../shared/sessions/index.ts'
import { ConfigurationError } from '../../shared/kernel/errors.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { newToken } from '../../shared/sessions/token.ts'
import { eventually } from '../support/eventually.ts'
import { rejection } from '../support/rejection.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { alice } from '../support/sessions.ts'

let names = 0

/** Passes everything on, but for the version that the server tells. */
async function asOldRedis(url: string): Promise<{ url: string; stop(): void }> {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname)
    for (const socket of [client, server]) sockets.add(socket.on('error', () => {}))
    client.pipe(server)
    server.on('data', (reply) =>
      client.write(reply.toString('latin1').replace(/((?:redis|valkey)_version:)\d/g, '$16'), 'latin1'),
    )
    server.on('close', () => client.destroy())
    client.on('close', () => server.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return {
    url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    stop() {
      proxy.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

describe('the sessions of an application with its own server', () => {
  let redis: TestRedis
  const opened: { stop(deadline: number): Promise<void> }[] = []

  before(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    for (const sessions of opened.splice(0)) await sessions.stop(deadlineIn(2_000))
  })
  after(() => redis.stop())

  const freshName = () => `shop ${++names}`

  function open(options: Partial<OpenSessionsOptions> & { name: string }) {
    const sessions = openSessions({ redis: redis.url, app: 'shop', ...options })
    opened.push(sessions)
    return sessions
  }

  async function started(options: Partial<OpenSessionsOptions> & { name: string }) {
    const sessions = open(options)
    await sessions.start()
    return sessions
  }

  async function signIn(sessions: ReturnType<typeof openSessions>) {
    const created = await sessions.create(await sessions.prepareLogin('alice'), { subject: alice })
    if (created.outcome !== 'created') throw new Error(created.outcome)
    return created.token
  }

  const problemsOf = async (starting: Promise<unknown>) => {
    const failure = await rejection(starting)
    expect(failure).to.be.instanceOf(ConfigurationError)
    return (failure as ConfigurationError).message
  }

  it('need a name and a Redis, and a logout on one is refused by the other', async () => {
    const name = freshName()
    const [one, other] = await Promise.all([started({ name }), started({ name })])
    const token = await signIn(one)
    expect(await other.authenticate(token)).to.have.nested.property('user.id', 'alice')
    await eventually(() => expect(other.authenticate(token)).not.to.be.instanceOf(Promise))
    expect((await one.revoke(token)).outcome).to.equal('revoked')
    expect(await other.authenticate(token)).to.equal(null)
  })

  it('of two names never meet', async () => {
    const [one, other] = [await started({ name: freshName() }), await started({ name: freshName() })]
    expect(await other.authenticate(await signIn(one))).to.equal(null)
  })

  for (const [version, make] of [
    ['ours', () => new Redis(redis.url)],
    ['the one before', () => new Redis5(redis.url)],
  ] as const) {
    it(`take clients of ioredis in ${version === 'ours' ? 'our version' : 'the version before ours'}`, async () => {
      const name = freshName()
      const own = make()
      try {
        const one = await started({ name, redis: make })
        const other = await started({ name, redis: own })
        const token = await signIn(one)
        expect(await other.authenticate(token)).not.to.equal(null)
        expect((await other.revoke(token)).outcome).to.equal('revoked')
        expect(await one.authenticate(token)).to.equal(null)
      } finally {
        own.disconnect()
      }
    })
  }

  it('leave the client that was given to the application open', async () => {
    const own = new Redis(redis.url)
    try {
      const sessions = await started({ name: freshName(), redis: own })
      await sessions.stop(deadlineIn(2_000))
      expect(await own.ping()).to.equal('PONG')
    } finally {
      own.disconnect()
    }
  })

  it('answer nothing before the start and after the stop', async () => {
    const name = freshName()
    const sessions = open({ name })
    expect(() => sessions.authenticate(newToken())).to.throw('are not started')
    expect(await rejection(sessions.revoke(newToken()))).to.have.property('name', 'NotStarted')
    await sessions.start()
    const token = await signIn(sessions)
    await sessions.stop(deadlineIn(2_000))
    expect(() => sessions.authenticate(token)).to.throw('are not started')
    await sessions.start()
    expect(await sessions.authenticate(token)).not.to.equal(null)
  })

  it('tell a token of the wrong alphabet without asking Redis', async () => {
    const sessions = await started({ name: freshName() })
    for (const token of [
      '',
      'short',
      'ä'.repeat(43),
      `${'a'.repeat(42)}/`,
      'a'.repeat(44),
      `${newToken()}\n`,
    ]) {
      expect(await sessions.authenticate(token)).to.equal(null)
    }
    expect(sessions.counters?.loads).to.equal(0)
  })

  it('of two applications with one name are refused to the second, by name', async () => {
    const name = freshName()
    await started({ name, app: 'till' })
    expect(await problemsOf(open({ name, app: 'warehouse' }).start())).to.match(
      /belongs to another application, "till".*give both the same `app`/,
    )
    await started({ name, app: 'till' })
  })

  it('are refused everything that is wrong with the options at once', () => {
    const wrong = { name: ' ', redis: 'http://x', idleMs: 30, maxPerUser: 0, leaseMs: 5_000 }
    expect(() => openSessions(wrong))
      .to.throw(ConfigurationError)
      .with.property('problems')
      .with.lengthOf(5)
  })

  it('are refused clients that would not do', async () => {
    const name = freshName()
    expect(() => openSessions({ name, redis: undefined as never })).to.throw('redis is missing')
    expect(() => openSessions({ name, redis: { isOpen: true, sendCommand() {} } as never })).to.throw(
      'a client of the package redis, not of ioredis',
    )
    const prefixed = () => new Redis(redis.url, { keyPrefix: 'x:', lazyConnect: true })
    expect(String(await rejection(open({ name, redis: prefixed }).start()))).to.contain('keyPrefix')
    const one = new Redis(redis.url, { lazyConnect: true })
    expect(String(await rejection(open({ name, redis: () => one }).start()))).to.contain(
      'must make a new client at each call',
    )
  })

  it('are refused a Redis that evicts', async () => {
    const evicting = await startRedis({ config: { maxmemory: '50mb', 'maxmemory-policy': 'allkeys-lru' } })
    try {
      const sessions = open({ name: freshName(), redis: evicting.url })
      expect(await problemsOf(sessions.start())).to.contain('has maxmemory-policy allkeys-lru')
    } finally {
      await evicting.stop()
    }
  })

  it('are refused a Redis that is too old', async () => {
    const old = await asOldRedis(redis.url)
    try {
      expect(await problemsOf(open({ name: freshName(), redis: old.url }).start())).to.match(
        /is (redis|valkey) 6\..*, but Redis 7\.0 or Valkey 7\.2 or later is needed/,
      )
    } finally {
      old.stop()
    }
  })

  it('are refused the name of a server', async () => {
    const client = new Redis(redis.url)
    try {
      await client.set('{sx.taken}:deployment', JSON.stringify({ database: 'an id', place: 'accounts.db' }))
      expect(await problemsOf(open({ name: 'taken' }).start())).to.contain(
        'belongs to a server that was started with lockstep start (accounts in accounts.db)',
      )
    } finally {
      client.disconnect()
    }
  })

  it('say so when nothing answers at the address', async () => {
    const failure = await rejection(open({ name: freshName(), redis: 'redis://127.0.0.1:1' }).start())
    expect(String(failure)).to.match(
      /Redis at redis:\/\/127\.0\.0\.1:1 does not answer \(.*ECONNREFUSED.*correct the option redis/,
    )
  })
})
