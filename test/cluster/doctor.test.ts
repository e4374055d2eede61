import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { examine } from '../../server/cli/doctor/examine.ts'
import type { SystemFacts } from '../../server/cli/doctor/examine-system.ts'
import type { Finding } from '../../server/cli/doctor/finding.ts'
import { openAccounts } from '../../shared/accounts/open-accounts.ts'
import { loadConfig } from '../../shared/config/config.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { asAnotherUser, closedMode } from '../support/another-user.ts'
import { startCluster } from '../support/cluster.ts'
import { eventually } from '../support/eventually.ts'
import { startCollector } from '../support/collector.ts'
import { freePort } from '../support/free-port.ts'
import { startRedis, type TestRedis, type TestRedisOptions } from '../support/redis.ts'

describe('the doctor', function () {
  this.timeout(30_000)
  let directory: string
  let servers: TestRedis[] = []

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lockstep-doctor-'))
  })
  afterEach(async () => {
    for (const server of servers) await server.stop()
    servers = []
    await rm(directory, { recursive: true, force: true })
  })

  async function redis(options: TestRedisOptions = {}): Promise<TestRedis> {
    const server = await startRedis(options)
    servers.push(server)
    return server
  }

  const roomy: SystemFacts = { cpus: 4, openFiles: 65_536 }

  async function findings(
    env: Record<string, string> = {},
    { facts = roomy, searchPath = '' } = {},
  ): Promise<Finding[]> {
    const whole = { DATA_DIR: directory, PORT: String(await freePort()), ...env }
    return examine({ config: () => loadConfig(whole, { cpus: 2 }), searchPath, facts })
  }

  function about(found: readonly Finding[], what: Finding['about']): string[] {
    return found.filter((one) => one.about === what).map(({ level, text }) => `${level}: ${text}`)
  }

  it('finds nothing wrong on a new machine, and changes nothing there', async () => {
    const found = await findings()
    expect(found.filter(({ level }) => level !== 'ok')).to.deep.equal([])
    expect(about(found, 'redis')[0]).to.contain('the first start fetches one')
    expect(about(found, 'database')[0]).to.contain('will be made by the first start')
    expect(await readdir(directory)).to.deep.equal([])
  })

  it('asks the collector of traces whether it takes them, and says what to correct', async () => {
    const collector = await startCollector()
    const named = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
    const before = process.env.OTEL_EXPORTER_OTLP_ENDPOINT
    // The libraries of OpenTelemetry read the environment by themselves.
    Object.assign(process.env, named)
    try {
      expect(about(await findings(named), 'traces')).to.deep.equal(['ok: the collector takes them'])
      expect(collector.deliveries[0]?.path).to.equal('/v1/traces')
      await collector.stop()
      expect(about(await findings(named), 'traces')[0]).to.match(
        /^warning: the collector does not take them \(.+\): start it, or correct OTEL_EXPORTER/,
      )
      expect(about(await findings(), 'traces')).to.deep.equal([])
    } finally {
      if (before === undefined) delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT
      else process.env.OTEL_EXPORTER_OTLP_ENDPOINT = before
    }
  })

  it('lists every problem of the environment', async () => {
    const found = await findings({ PORT: 'http', LEASE: '1' })
    expect(found.map(({ about, level }) => [about, level])).to.deep.equal([
      ['configuration', 'problem'],
      ['configuration', 'problem'],
    ])
  })

  it('tells the version, the policy, the room, the latency and the clock of a good Redis', async () => {
    const { url } = await redis({ persistence: 'always', config: { maxmemory: '200mb' } })
    const found = await findings({ REDIS_URL: url })
    expect(found.filter(({ level }) => level === 'problem')).to.deep.equal([])
    const text = about(found, 'redis').join('\n')
    expect(text).to.match(/(redis|valkey) \d+\.\d+\.\d+ answers at redis:/)
    expect(text).to.contain('maxmemory-policy is noeviction')
    expect(text).to.contain(
      'sessions survive a restart of Redis (Redis has appendonly yes and appendfsync always, and no replica)',
    )
    expect(text).to.match(/it uses \d+ MB of 200 MB/)
    expect(text).to.match(/it answers in \d+\.\d ms/)
    expect(about(found, 'clock')).to.have.length(1)
  })

  it('says what a restart of Redis will do, and warns of a choice that may revive sessions', async () => {
    const { url } = await redis({ persistence: 'everysec' })
    const careful = about(await findings({ REDIS_URL: url }), 'redis').join('\n')
    expect(careful).to.contain(
      'a restart or failover of Redis signs everyone out (Redis may lose its last writes',
    )
    const risky = about(await findings({ REDIS_URL: url, SESSION_DURABILITY: 'keep' }), 'redis').join('\n')
    expect(risky).to.match(/warning: SESSION_DURABILITY=keep, but Redis may lose .* appendfsync always/)
  })

  it('finds a Redis that evicts, is full, or is away', async () => {
    const evicting = await redis({ config: { 'maxmemory-policy': 'allkeys-lru' } })
    expect(about(await findings({ REDIS_URL: evicting.url }), 'redis').join('\n')).to.match(
      /problem: .*CONFIG SET maxmemory-policy noeviction/,
    )
    const full = await redis({ config: { maxmemory: '1mb' } })
    expect(about(await findings({ REDIS_URL: full.url }), 'redis').join('\n')).to.match(
      /warning: it uses .* raise its maxmemory/,
    )
    const away = about(await findings({ REDIS_URL: 'redis://:hidden-word@127.0.0.1:1' }), 'redis')
    expect(away).to.have.length(1)
    expect(away[0]).to.match(/^problem: Redis at redis:\/\/\[redacted\]@127.0.0.1:1 does not answer/)
    expect(away[0]).to.not.contain('hidden-word')
  })

  it('finds a Redis whose snapshots fail and that refuses writes for that, although it answers', async () => {
    const server = await redis({ config: { save: '3600 1' } })
    // A snapshot is renamed into place, which a directory does not allow.
    await mkdir(path.join(server.dir, 'dump.rdb'))
    const client = new Redis(server.url)
    await client.bgsave()
    await eventually(async () => expect(await client.info('persistence')).to.contain('bgsave_status:err'))
    const text = about(await findings({ REDIS_URL: server.url }), 'redis').join('\n')
    expect(text).to.match(/problem: its last snapshot failed .* refuses writes .*run BGSAVE/)
    await client.config('SET', 'stop-writes-on-bgsave-error', 'no')
    const milder = about(await findings({ REDIS_URL: server.url }), 'redis').join('\n')
    expect(milder).to.match(/warning: its last snapshot failed .*: give its directory room/)
    client.disconnect()
  })

  it('finds a Redis whose disk is full: it can not append, and can not rewrite what it has', async () => {
    const server = await redis({ persistence: 'everysec', mayRunFull: true })
    const client = new Redis(server.url)
    const persistence = () => client.info('persistence')
    await client.set('kept', 'before')
    await server.fillDisk()
    await eventually(async () => {
      await client.set('lost', 'afterwards').catch(() => {})
      expect(await persistence()).to.contain('aof_last_write_status:err')
    }, 10_000)
    const text = about(await findings({ REDIS_URL: server.url }), 'redis').join('\n')
    expect(text).to.match(
      /problem: it can not append to its file \(aof_last_write_status:err\), .*disk is full/,
    )

    // Refused, since the next file can not be begun either.
    await client.bgrewriteaof().catch(() => {})
    await eventually(
      async () => expect(await persistence()).to.contain('aof_last_bgrewrite_status:err'),
      10_000,
    )
    const both = about(await findings({ REDIS_URL: server.url }), 'redis').join('\n')
    expect(both).to.match(/warning: its append-only file could not be rewritten .*: give it room/)

    await server.freeDisk()
    await eventually(async () => expect(await persistence()).to.contain('aof_last_write_status:ok'), 10_000)
    const well = about(await findings({ REDIS_URL: server.url }), 'redis').join('\n')
    expect(well).not.to.contain('can not append')
    client.disconnect()
  })

  it('knows which migrations are missing, and runs none', async () => {
    const file = path.join(directory, 'accounts.sqlite')
    const accounts = openAccounts({ kind: 'sqlite', file })
    await accounts.start()
    const before = about(await findings(), 'database')
    expect(before[0]).to.match(/the next start upgrades it \(001-accounts/)
    expect(about(await findings(), 'database')).to.deep.equal(before)
    await accounts.migrate()
    expect(about(await findings(), 'database')[0]).to.contain('is up to date, with 0 accounts')
    await accounts.stop(deadlineIn(1_000))
  })

  it('finds a database that is away, without its password', async () => {
    const [text] = about(
      await findings({ DATABASE_URL: 'postgres://a:hidden-word@127.0.0.1:1/b' }),
      'database',
    )
    expect(text).to.match(/^problem: .*ECONNREFUSED.*correct DATABASE_URL/)
    expect(text).to.not.contain('hidden-word')
  })

  it('finds ports that other programs have', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const port = String((other.address() as AddressInfo).port)
    expect(about(await findings({ PORT: port }), 'ports')[0]).to.match(/^problem: PORT=\d+ on HOST=.*in use/)
    expect(about(await findings({ METRICS_PORT: port }), 'ports')[1]).to.match(
      /^problem: METRICS_PORT=.*in use/,
    )
    other.close()
  })

  it('knows a server like this one at the port, which it can not ask: pm2 runs such ones', async () => {
    const cluster = await startCluster({ workers: 1 })
    try {
      const [text] = about(await findings({ PORT: new URL(cluster.url).port }), 'ports')
      expect(text).to.match(/^warning: PORT=\d+ is in use by a Lockstep that has no control socket here/)
    } finally {
      await cluster.stop()
    }
  })

  it('says so when the server belongs to another user, and does not take it for none', async () => {
    await chmod(directory, closedMode)
    const patient = { config: () => loadConfig({ DATA_DIR: directory }), searchPath: '', facts: roomy }
    const found = await asAnotherUser(() => examine(patient))
    await chmod(directory, 0o700)
    expect(found.map(({ about, level }) => [about, level])).to.deep.equal([['server', 'problem']])
    expect(found[0]?.text).to.contain('belongs to another user')
  })

  it('finds a data directory that everybody shares, as the start does', async () => {
    await chmod(directory, 0o1777)
    expect(about(await findings(), 'system').join('\n')).to.contain(
      `problem: DATA_DIR=${directory} can be written to by others`,
    )
    expect((await stat(directory)).mode & 0o7777).to.equal(0o1777)
  })

  it('warns of few files, many workers, and mails that reach nobody', async () => {
    const found = await findings(
      { WORKERS: '9', NODE_ENV: 'production' },
      { facts: { cpus: 4, openFiles: 1_024 } },
    )
    expect(about(found, 'system').filter((text) => text.startsWith('warning'))).to.have.length(3)
    expect(about(found, 'system').join('\n')).to.contain('LimitNOFILE=65536')
    const unknown = await findings({}, { facts: { cpus: 4, openFiles: null } })
    expect(about(unknown, 'system').filter((text) => text.startsWith('warning'))).to.deep.equal([])
  })

  describe('as a command', () => {
    const program = path.join(import.meta.dirname, '..', '..', 'dist', 'server', 'cli', 'main.js')

    async function run(
      args: string[],
      env: Record<string, string>,
    ): Promise<{ code: number; stdout: string }> {
      const child = spawn(process.execPath, [program, 'doctor', ...args], {
        env: { PATH: process.env.PATH, ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let stdout = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
      const [code] = (await once(child, 'close')) as [number]
      return { code, stdout }
    }

    it('examines the private Redis of a server that runs, and exits with 0', async () => {
      const cluster = await startCluster({ workers: 1 })
      try {
        const { code, stdout } = await run([], { DATA_DIR: cluster.dataDir })
        expect(stdout).to.match(/ok +server +one runs with DATA_DIR/)
        expect(stdout).to.match(/ok +redis +(redis|valkey) .* answers at unix:/)
        expect(stdout).to.match(/ok +database .*up to date, with 1 accounts/)
        expect(stdout).to.match(/All is well\.|It can start; \d to look at\./)
        expect(code).to.equal(0)
      } finally {
        await cluster.stop()
      }
    })

    it('exits with 1 and tells programs why as JSON when something has to be mended', async () => {
      const { code, stdout } = await run(['--json'], {
        DATA_DIR: directory,
        REDIS_URL: 'redis://127.0.0.1:1',
      })
      expect(code).to.equal(1)
      const told = JSON.parse(stdout)
      expect(told.ok).to.equal(false)
      expect(told.findings.filter(({ level }: Finding) => level === 'problem')).to.have.length.at.least(1)
    })
  })
})
