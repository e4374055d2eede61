import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import Database from 'libsql'
import { Redis } from 'ioredis'
import { admin, refusedStart, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { lockstep } from '../support/lockstep-command.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

describe('two installations on one Redis', function () {
  this.timeout(120_000)
  let redis: TestRedis
  let directory: string
  let production: TestCluster
  let staging: TestCluster

  const start = (name: string, more: object = {}) =>
    startCluster({
      redisUrl: redis.url,
      workers: 1,
      jobWorkers: 1,
      dataDir: path.join(directory, name),
      env: withoutLimits,
      ...more,
    })

  before(async () => {
    redis = await startRedis()
    directory = await mkdtemp(path.join(tmpdir(), 'lockstep-deployments-'))
    ;[production, staging] = await Promise.all([start('production'), start('staging')])
  })
  after(async () => {
    await Promise.all([production?.stop(), staging?.stop()])
    await redis?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  async function ask(cluster: TestCluster, method: string, route: string, token?: string, body?: object) {
    return fetch(`${cluster.url}${route}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }

  async function signIn(cluster: TestCluster): Promise<string> {
    const answer = await ask(cluster, 'POST', '/api/v1/auth/login', undefined, {
      ...admin,
      transport: 'token',
    })
    expect(answer.status, await answer.clone().text()).to.equal(200)
    return ((await answer.json()) as { token: string }).token
  }

  it("an administrator's session of one opens nothing in the other", async () => {
    const token = await signIn(staging)
    expect((await ask(staging, 'GET', '/api/v1/auth/me', token)).status).to.equal(200)
    expect((await ask(production, 'GET', '/api/v1/auth/me', token)).status).to.equal(401)
  })

  it('maintenance of one is none of the other', async () => {
    const token = await signIn(staging)
    const change = await ask(staging, 'PATCH', '/api/v1/admin/settings', token, { maintenance: true })
    expect(change.status).to.equal(200)
    expect(
      (await ask(staging, 'POST', '/api/v1/auth/password-reset/request', undefined, { email: 'x@y.z' }))
        .status,
    ).to.equal(503)
    expect(
      (await ask(production, 'POST', '/api/v1/auth/password-reset/request', undefined, { email: 'x@y.z' }))
        .status,
    ).to.equal(202)
    await ask(staging, 'PATCH', '/api/v1/admin/settings', token, { maintenance: null })
  })

  it('a job of one is none of the other, and each does its own', async () => {
    const [there, here] = [await signIn(staging), await signIn(production)]
    const asked = await ask(staging, 'POST', '/api/v1/jobs/echo', there, {
      data: { message: 'from staging' },
    })
    const { id } = (await asked.json()) as { id: string }
    expect((await ask(production, 'GET', `/api/v1/jobs/echo/${id}`, here)).status).to.equal(404)
    await eventually(async () => {
      const found = await ask(staging, 'GET', `/api/v1/jobs/echo/${id}`, there)
      expect(((await found.json()) as { state: string }).state).to.equal('completed')
    }, 20_000)
  })

  it('each knows its own workers only', async () => {
    const answer = await ask(production, 'GET', '/api/v1/admin/workers', await signIn(production))
    expect(((await answer.json()) as { workers: unknown[] }).workers).to.have.length(2)
  })

  it('no two of their keys are the same', async () => {
    const operator = new Redis(redis.url)
    try {
      const spaces = new Set<string>()
      for (const key of await operator.keys('*')) {
        expect(key).to.match(/^\{(?:sx|lm|lockstep)\.[a-z0-9]{12}\}:/)
        spaces.add(key.slice(key.indexOf('.') + 1, key.indexOf('}')))
      }
      expect(spaces.size).to.equal(2)
    } finally {
      operator.disconnect()
    }
  })

  it('a limit that was used up in one is whole in the other', async () => {
    const few = { ...withoutLimits, LIMIT_API: '2/10m' }
    const [one, other] = await Promise.all([start('one', { env: few }), start('other', { env: few })])
    try {
      const statuses: number[] = []
      for (let i = 0; i < 3; i++) {
        statuses.push((await ask(one, 'GET', '/api/v1/auth/me')).status)
      }
      expect(statuses).to.deep.equal([401, 401, 429])
      expect((await ask(other, 'GET', '/api/v1/auth/me')).status).to.equal(401)
    } finally {
      await Promise.all([one.stop(), other.stop()])
    }
  })

  it('of one name: the second is refused with 78, and told whose the keys are', async () => {
    const env = { ...withoutLimits, APP_NAME: 'shop' }
    const shop = await start('shop', { env })
    try {
      const refused = await refusedStart({
        redisUrl: redis.url,
        dataDir: path.join(directory, 'shop-2'),
        env,
      })
      expect(refused.code).to.equal(78)
      expect(refused.output).to.include(path.join(directory, 'shop', 'accounts.sqlite'))
      expect(refused.output).to.include(path.join(directory, 'shop-2', 'accounts.sqlite'))
      expect(refused.output).to.include('APP_NAME').and.to.include('{sx.shop}:deployment')
    } finally {
      await shop.stop()
    }
  })

  it('the name is the same at the next start, and nobody is signed out', async () => {
    const dataDir = path.join(directory, 'again')
    const first = await start('again')
    const token = await signIn(first)
    await first.stop()
    const second = await start('again')
    try {
      expect((await ask(second, 'GET', '/api/v1/auth/me', token)).status).to.equal(200)
      const doctor = await lockstep({ dataDir, env: { REDIS_URL: redis.url, PORT: '0' } }, 'doctor')
      expect(doctor.stdout).to.match(/it is not named; its keys in Redis begin with \{sx\.[a-z0-9]{12}\}/)
    } finally {
      await second.stop()
    }
  })

  it('the command line works on the sessions of its own deployment, with the server and without', async () => {
    const dataDir = path.join(directory, 'commands')
    const APP_NAME = 'Commands & more'
    const cluster = await start('commands', { env: { ...withoutLimits, APP_NAME } })
    const list = (name?: string) => {
      const env = { REDIS_URL: redis.url, ...(name === undefined ? {} : { APP_NAME: name }) }
      return lockstep({ dataDir, env }, 'sessions', 'list', admin.email, '--json')
    }
    try {
      await signIn(cluster)
      expect((await list(APP_NAME)).json().sessions).to.have.length(1)
    } finally {
      await cluster.stop()
    }
    expect((await list(APP_NAME)).json().sessions).to.have.length(1)
    expect((await list()).json().sessions, 'the only one that the accounts know').to.have.length(1)
    const wrong = await list('other')
    expect(wrong.code).to.equal(1)
    expect(wrong.stdout + wrong.stderr).to.include('set APP_NAME to Commands & more')
  })
})

describe('an installation from before deployments had names', function () {
  this.timeout(120_000)
  let redis: TestRedis
  let directory: string

  before(async () => {
    redis = await startRedis()
    directory = await mkdtemp(path.join(tmpdir(), 'lockstep-upgrade-'))
  })
  after(async () => {
    await redis?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  /** As the version before left it: its tables, and its keys in Redis. */
  function forgetNames(file: string): void {
    const database = new Database(file)
    database.exec(`
      drop table installation;
      drop table deployments;
      drop table verification_tokens;
      delete from kysely_migration where name >= '004'`)
    database.close()
  }

  async function start(name: string, env: object = {}): Promise<TestCluster> {
    return startCluster({
      redisUrl: redis.url,
      workers: 1,
      dataDir: path.join(directory, name),
      env: { ...withoutLimits, SESSION_DURABILITY: 'keep', ...env },
    })
  }

  async function signIn({ url }: TestCluster): Promise<string> {
    const answer = await fetch(`${url}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...admin, transport: 'token' }),
    })
    return ((await answer.json()) as { token: string }).token
  }

  const me = async ({ url }: TestCluster, token: string) =>
    (await fetch(`${url}/api/v1/auth/me`, { headers: { Authorization: `Bearer ${token}` } })).status

  it('keeps its keys, so that nobody is signed out; a second one on the same Redis gets its own', async () => {
    // Start once, and give everything the names of before.
    const old = await start('old')
    const token = await signIn(old)
    await old.stop()
    forgetNames(path.join(directory, 'old', 'accounts.sqlite'))
    const operator = new Redis(redis.url)
    for (const key of await operator.keys('*')) {
      const before = key.replace(/\.[a-z0-9]{12}\}/, '}')
      if (before.endsWith(':deployment')) await operator.del(key)
      else await operator.rename(key, before)
    }
    await cp(path.join(directory, 'old'), path.join(directory, 'second'), { recursive: true })

    const upgraded = await start('old', { APP_NAME: 'Shop' })
    try {
      expect(await me(upgraded, token)).to.equal(200)
      const second = await start('second')
      try {
        expect(await me(second, token), 'the keys belong to the first').to.equal(401)
        await signIn(second)
      } finally {
        await second.stop()
      }
      const fresh = await start('fresh')
      expect(await me(fresh, token)).to.equal(401)
      await fresh.stop()
    } finally {
      await upgraded.stop()
    }
    const again = await start('old', { APP_NAME: 'Shop' })
    expect(await me(again, token), 'at the next start too').to.equal(200)
    await again.stop()
    expect((await operator.keys('{sx}:*')).length).to.be.greaterThan(1)
    operator.disconnect()
  })

  it('a marker that says nothing is refused with 78 and not overwritten', async () => {
    const env = { APP_NAME: 'torn' }
    const operator = new Redis(redis.url)
    await operator.set('{sx.torn}:deployment', 'x')
    const refused = await refusedStart({ redisUrl: redis.url, dataDir: path.join(directory, 'torn'), env })
    expect(refused.code).to.equal(78)
    expect(refused.output).to.include('{sx.torn}:deployment')
    expect(await operator.get('{sx.torn}:deployment')).to.equal('x')
    operator.disconnect()
  })
})
