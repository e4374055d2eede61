import { expect } from 'chai'
import { Redis } from 'ioredis'
import { examineRedis } from '../../server/cli/doctor/examine-redis.ts'
import { loadConfig } from '../../shared/config/config.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { admin, refusedStart, startCluster, withoutLimits, type TestCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { signIn } from '../support/http.ts'
import { administration, infoInScripts, refuseCommands } from '../support/redis-refusals.ts'
import { startRedis, type TestRedis, type TestRedisOptions } from '../support/redis.ts'
import { recordSecret } from '../support/run-records.ts'
import { verdicts } from '../support/users.ts'

describe('on a Redis that refuses commands, as services do', function () {
  this.timeout(90_000)
  const cleanUp = cleanUpAfterEach()

  async function redis(options: TestRedisOptions = {}): Promise<TestRedis> {
    const server = await startRedis(options)
    cleanUp(() => server.stop())
    return server
  }

  async function behind(server: TestRedis, refusals: Parameters<typeof refuseCommands>[1]): Promise<string> {
    const stand = await refuseCommands(server.url, refusals)
    cleanUp(() => stand.stop())
    return stand.url
  }

  /** The address of a user that has these rights and no others. */
  async function withRights(server: TestRedis, ...rights: string[]): Promise<string> {
    const client = new Redis(server.url)
    await client.call('ACL', 'SETUSER', 'app', 'on', '>the-word-of-the-app', ...rights)
    client.disconnect()
    recordSecret('the-word-of-the-app')
    return server.url.replace('redis://', 'redis://app:the-word-of-the-app@')
  }

  async function start(redisUrl: string, env: Record<string, string> = {}): Promise<TestCluster> {
    const cluster = await startCluster({
      redisUrl,
      jobWorkers: 1,
      env: { ...withoutLimits, LIMIT_API: '1000/1m', ...env },
    })
    cleanUp(() => cluster.stop())
    return cluster
  }

  async function expectToServe(cluster: TestCluster): Promise<void> {
    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    expect(await verdicts(cluster, root)).to.deep.equal([200, 200])
    const body = { data: { message: 'hello' } }
    const { id } = (await root.send('/api/v1/jobs/echo', { method: 'POST', body })).json()
    await eventually(async () => {
      expect((await root.send(`/api/v1/jobs/echo/${id}`)).json()).to.include({ state: 'completed' })
    })
    expect((await root.send('/api/v1/auth/logout', { method: 'POST' })).status).to.equal(204)
    expect(await verdicts(cluster, root)).to.deep.equal([401, 401])
  }

  async function expectRefusal(redisUrl: string, what: RegExp, env: Record<string, string> = {}) {
    const { code, output } = await refusedStart({ redisUrl, env })
    expect(output).to.match(what)
    expect(code).to.equal(78)
    expect(output).not.to.contain('the-word-of-the-app')
    const config = loadConfig({ REDIS_URL: redisUrl, ...env })
    const found = await examineRedis(config, { server: null, searchPath: '' })
    const problems = found.filter(({ level }) => level === 'problem').map(({ text }) => text)
    expect(problems.join('\n')).to.match(what)
  }

  it('serves without CONFIG, CLIENT and the rest of the administration', async () => {
    const server = await redis()
    await expectToServe(await start(await behind(server, [administration])))
  })

  it('serves with a user that may not administer', async () => {
    const server = await redis()
    await expectToServe(
      await start(await withRights(server, '~*', '&*', '+@all', '-@admin', '-config', '-client')),
    )
  })

  it('does not say that it is ready where scripts may not call INFO, but what to set', async () => {
    const url = await behind(await redis(), [infoInScripts])
    await expectRefusal(
      url,
      /does not let a script ask for its run id .*called from script.*REDIS_IDENTITY=connection/,
    )
  })

  it('serves where scripts may not call INFO, with REDIS_IDENTITY=connection, and ends sessions at a restart', async () => {
    const server = await redis({ persistence: 'everysec' })
    const url = await behind(server, [infoInScripts, administration])
    const cluster = await start(url, { REDIS_IDENTITY: 'connection' })
    await expectToServe(cluster)

    const root = await signIn(cluster.url, { ...admin, transport: 'token' })
    expect(await verdicts(cluster, root)).to.deep.equal([200, 200])
    await server.restart()
    // It may have lost what it acknowledged: another life of Redis, which only the run id tells.
    await eventually(async () => expect(await verdicts(cluster, root)).to.deep.equal([401, 401]))
    await eventually(() => expectToServe(cluster))
  })

  it('names what a user lacks that may not do what scripts need, and what to set', async () => {
    const server = await redis()
    await expectRefusal(
      await withRights(server, 'resetkeys', '~{sx}:probe:????????????', '&*', '+@all'),
      /does not let a script use a key whose name it computes .*Allow the user all keys/,
    )
    await expectRefusal(
      await withRights(server, '~*', 'resetchannels', '+@all'),
      /does not carry messages that a script publishes .*Allow the user all channels/,
    )
    await expectRefusal(
      await withRights(
        server,
        'reset',
        'on',
        '>the-word-of-the-app',
        '~*',
        '&*',
        '+@all',
        '-eval',
        '-evalsha',
      ),
      /does not run scripts with flags.*\+@scripting/,
    )
  })

  it('names WAIT where failover needs it', async () => {
    const server = await redis()
    const failover = { SESSION_DURABILITY: 'failover', REDIS_NODES: '3' }
    await expectRefusal(
      await withRights(server, '~*', '&*', '+@all', '-wait'),
      /does not confirm writes \(WAIT\).*SESSION_DURABILITY=fence/,
      failover,
    )
  })
})
