import { expect } from 'chai'
import { Redis } from 'ioredis'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { ConfigurationError } from '../../shared/kernel/errors.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import {
  createEmbeddedRedis,
  type EmbeddedRedis,
} from '../../server/cluster/embedded-redis/embedded-redis.ts'
import { findRedisServer, type FindServerOptions } from '../../server/cluster/embedded-redis/find-server.ts'
import {
  findGuard,
  portableGuard,
  utilLinuxGuard,
  type Guard,
} from '../../server/cluster/embedded-redis/guard.ts'
import { parseRedisUrl } from '../../shared/kernel/redis/url.ts'
import { isAlive, trackChild } from '../support/children.ts'
import { eventually } from '../support/eventually.ts'
import { testRedisServer } from '../support/redis.ts'

describe('The embedded Redis', () => {
  let dataDir: string
  let running: EmbeddedRedis[]
  let logged: string[]

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'lockstep-data-'))
    running = []
    logged = []
  })

  afterEach(async () => {
    for (const redis of running) await redis.stop(deadlineIn(2_000))
    await rm(dataDir, { recursive: true, force: true })
  })

  async function create(directory = dataDir, guard?: Guard): Promise<EmbeddedRedis> {
    const note = (_fields: object, message: string) => logged.push(message)
    const redis = createEmbeddedRedis({
      dataDir: directory,
      server: await testRedisServer(),
      log: { debug: () => {}, info: note, warn: note, error: note },
      ...(guard ? { guard } : {}),
    })
    running.push(redis)
    return redis
  }

  async function start(directory = dataDir, guard?: Guard): Promise<EmbeddedRedis> {
    const redis = await create(directory, guard)
    await redis.start()
    trackChild(redis.pid!, 'an embedded Redis')
    return redis
  }

  async function ask<T>(url: string, command: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis({
      ...parseRedisUrl({ kind: 'single', url }),
      lazyConnect: true,
      retryStrategy: null,
    })
    client.on('error', () => {})
    try {
      await client.connect()
      return await command(client)
    } finally {
      client.disconnect()
    }
  }

  const write = (url: string, value: string) => ask(url, (client) => client.set('greeting', value))
  const read = (url: string) => ask(url, (client) => client.get('greeting'))

  it('listens on a socket in a directory that is closed to others, and on no port', async () => {
    const redis = await start()
    expect(redis.url).to.equal(`unix://${redis.socketPath}`)
    expect((await stat(dirname(redis.socketPath))).mode & 0o777).to.equal(0o700)
    expect((await stat(redis.socketPath)).mode & 0o777).to.equal(0o600)
    const settings = await ask(redis.url, (client) =>
      client.call('CONFIG', 'GET', 'port', 'maxmemory-policy'),
    )
    expect(settings).to.have.members(['port', '0', 'maxmemory-policy', 'noeviction'])
  })

  it('keeps what it acknowledged over a clean stop', async () => {
    const first = await start()
    await write(first.url, 'hello')
    const pid = first.pid!
    await first.stop(deadlineIn(5_000))
    await first.stop(deadlineIn(5_000))
    expect(isAlive(pid)).to.equal(false)
    expect(first.pid).to.equal(null)

    const second = await start()
    expect(await read(second.url)).to.equal('hello')
    expect(second.durabilityLost).to.equal(false)
  })

  it('runs again after a kill -9, at the same address and with every acknowledged write', async () => {
    const redis = await start()
    const { url, pid } = redis
    const exits: (string | null)[] = []
    redis.onExit(({ signal }) => exits.push(signal))
    for (let round = 0; round < 200; round++) await write(url, `round ${round}`)

    process.kill(pid!, 'SIGKILL')
    await eventually(() => expect(redis.pid).to.be.a('number').and.not.equal(pid))

    trackChild(redis.pid!, 'an embedded Redis')
    expect(redis.url).to.equal(url)
    expect(await read(url)).to.equal('round 199')
    expect(exits).to.deep.equal(['SIGKILL'])
    expect(logged).to.include('the embedded Redis exited unexpectedly (killed by SIGKILL)')
  })

  it('is started again each time that it is killed', async () => {
    const redis = await start()
    for (let round = 0; round < 3; round++) {
      const { pid } = redis
      process.kill(pid!, 'SIGKILL')
      await eventually(() => expect(redis.pid).to.be.a('number').and.not.equal(pid))
      trackChild(redis.pid!, 'an embedded Redis')
    }
    expect(await ask(redis.url, (client) => client.ping())).to.equal('PONG')
  })

  it('refuses a data directory in use, names it, and leaves the server in it alone', async () => {
    const first = await start()
    await write(first.url, 'hello')
    const refusal = await (await create()).start().catch((cause: unknown) => cause)

    expect(refusal).to.be.an.instanceOf(ConfigurationError)
    expect(String(refusal)).to.include(`DATA_DIR=${dataDir} is in use`)
    expect(await read(first.url)).to.equal('hello')
    await eventually(() => expect(first.pid).to.be.a('number'))
  })

  it('refuses a data directory in use where the system has no locks to offer', async () => {
    const first = await start(dataDir, portableGuard)
    const refusal = await (await create(dataDir, portableGuard)).start().catch((cause: unknown) => cause)
    expect(refusal).to.be.an.instanceOf(ConfigurationError)
    expect(await ask(first.url, (client) => client.ping())).to.equal('PONG')
  })

  it('refuses a data directory that cannot be one, and names it', async () => {
    const file = join(dataDir, 'file')
    await writeFile(file, '')
    const refusal = await (await create(file)).start().catch((cause: unknown) => cause)
    expect(refusal).to.be.an.instanceOf(ConfigurationError)
    expect(String(refusal)).to.include(`DATA_DIR=${file} cannot be used`)
  })

  it('moves its socket elsewhere when the path is too long for one, and removes that place again', async () => {
    const deep = join(dataDir, 'd'.repeat(120))
    await mkdir(deep)
    const redis = await start(deep)
    const place = dirname(redis.socketPath)
    expect(Buffer.byteLength(redis.socketPath)).to.be.lessThan(100)
    expect(await ask(redis.url, (client) => client.ping())).to.equal('PONG')
    await redis.stop(deadlineIn(5_000))
    expect(await stat(place).catch((cause: NodeJS.ErrnoException) => cause.code)).to.equal('ENOENT')
  })

  it('starts when the last write in its file was cut short', async () => {
    const first = await start()
    await write(first.url, 'hello')
    await ask(first.url, (client) => client.set('last', 'x'.repeat(100)))
    await first.stop(deadlineIn(5_000))
    const files = join(dataDir, 'redis', 'appendonlydir')
    const log = join(
      files,
      (await readdir(files)).find((name) => name.endsWith('.incr.aof'))!,
    )
    await truncate(log, (await stat(log)).size - 7)

    const second = await start()
    expect(await read(second.url)).to.equal('hello')
    expect(await ask(second.url, (client) => client.exists('last'))).to.equal(0)
  })

  it('ends a frozen server at the deadline', async () => {
    const redis = await start()
    const pid = redis.pid!
    process.kill(pid, 'SIGSTOP')
    await redis.stop(deadlineIn(300))
    expect(isAlive(pid)).to.equal(false)
  })

  it('can be stopped by several at once, by the one with the least time', async () => {
    const redis = await start()
    await write(redis.url, 'hello')
    await Promise.all([1, 2, 3].map(() => redis.stop(deadlineIn(5_000))))
    const left = (await readdir(join(dataDir, 'redis'))).filter((name) => name.startsWith('last-run'))
    expect(left).to.deep.equal(['last-run.json'])
    await redis.start()
    trackChild(redis.pid!, 'an embedded Redis')
    expect(redis.durabilityLost).to.equal(false)

    process.kill(redis.pid!, 'SIGSTOP')
    await Promise.all([redis.stop(deadlineIn(600_000)), redis.stop(deadlineIn(0))])
  })

  it('remembers that a loss was handled, and that it ended cleanly, when both come at once', async () => {
    const redis = await start()
    await Promise.all([redis.lossHandled(), redis.stop(deadlineIn(5_000)), redis.lossHandled()])
    const record = JSON.parse(await readFile(join(dataDir, 'redis', 'last-run.json'), 'utf8')) as object
    expect(record).to.include({ ended: 'cleanly', lossPending: false })
  })

  it('can be stopped before and while it starts, and started after a stop', async () => {
    const redis = await create()
    await redis.stop(deadlineIn(1_000))
    const starting = redis.start().catch((cause: unknown) => cause)
    await redis.stop(deadlineIn(1_000))
    expect(await starting).to.be.an('error')
    await redis.start()
    trackChild(redis.pid!, 'an embedded Redis')
    expect(await ask(redis.url, (client) => client.ping())).to.equal('PONG')
  })

  for (const [name, guard] of [
    ['util-linux', utilLinuxGuard],
    ['portable', portableGuard],
  ] as const) {
    it(`leaves no orphan and loses no acknowledged write when its owner is killed -9 (${name})`, async () => {
      const owner = spawn(
        process.execPath,
        ['--import', 'tsx', 'test/fixtures/redis-owner.ts', dataDir, name],
        { stdio: ['pipe', 'pipe', 'inherit'] },
      )
      trackChild(owner.pid!, 'the owner of an embedded Redis')
      const [line] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string]
      const { pid, url } = JSON.parse(line) as { pid: number; url: string }
      trackChild(pid, 'the Redis of another process')
      const serverPid = Number(
        /process_id:(\d+)/.exec(await ask(url, (client) => client.info('server')))?.[1] ?? Number.NaN,
      )
      trackChild(serverPid, 'the Redis of another process')
      for (let round = 0; round < 200; round++) await write(url, `round ${round}`)

      owner.kill('SIGKILL')
      // At once, as a person would: the server of before may still be on its way out.
      const next = await start(dataDir, guard)

      expect(await read(next.url)).to.equal('round 199')
      expect(next.durabilityLost).to.equal(false)
      await eventually(() => expect([isAlive(pid), isAlive(serverPid)]).to.deep.equal([false, false]))
    })
  }

  it('runs, restarts and stops behind the portable guard too', async () => {
    const redis = await start(dataDir, portableGuard)
    await write(redis.url, 'hello')
    const { pid } = redis
    const server = Number(
      /process_id:(\d+)/.exec(await ask(redis.url, (client) => client.info('server')))?.[1],
    )
    process.kill(server, 'SIGKILL')
    await eventually(() => expect(redis.pid).to.be.a('number').and.not.equal(pid))
    expect(await read(redis.url)).to.equal('hello')
    await redis.stop(deadlineIn(5_000))
    expect((await start(dataDir, portableGuard)).durabilityLost).to.equal(false)
  })

  describe('after a reboot of the machine', () => {
    /** What a run leaves behind that never stopped, on a boot that is over. */
    async function pretendPowerCut(): Promise<void> {
      const file = join(dataDir, 'redis', 'last-run.json')
      const record = JSON.parse(await readFile(file, 'utf8')) as object
      await writeFile(file, JSON.stringify({ ...record, bootId: 'an earlier boot', ended: 'not yet' }))
    }

    it('reports that writes may be lost, in each run until that was dealt with', async () => {
      await (await start()).stop(deadlineIn(5_000))
      await pretendPowerCut()

      const second = await start()
      expect(second.durabilityLost).to.equal(true)
      await second.stop(deadlineIn(5_000))

      const third = await start()
      expect(third.durabilityLost).to.equal(true)
      await third.lossHandled()
      expect(third.durabilityLost).to.equal(false)
      await third.stop(deadlineIn(5_000))

      expect((await start()).durabilityLost).to.equal(false)
    })

    it('reports it when there is data but no record that can be read', async () => {
      await (await start()).stop(deadlineIn(5_000))
      await writeFile(join(dataDir, 'redis', 'last-run.json'), '{"bootId": 7')
      expect((await start()).durabilityLost).to.equal(true)
    })
  })
})

describe('Finding a Redis server', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lockstep-find-'))
  })

  afterEach(() => rm(directory, { recursive: true, force: true }))

  async function script(name: string, prints: string): Promise<string> {
    const file = join(directory, name)
    await writeFile(file, `#!/bin/sh\necho '${prints}'\n`, { mode: 0o755 })
    return file
  }

  const find = (options: Partial<FindServerOptions>) =>
    findRedisServer({ searchPath: directory, cacheDirectory: join(directory, 'cache'), ...options })

  it('takes the chosen binary', async () => {
    const binary = await script('mine', 'Redis server v=7.2.4 sha=00000000:0 malloc=libc bits=64 build=0')
    expect(await find({ binary })).to.deep.include({ binary, source: 'REDIS_SERVER_BIN', version: '7.2.4' })
  })

  it('refuses a chosen binary that is too old or no server, and names it', async () => {
    const old = await script('old', 'Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64 build=0')
    const other = await script('other', 'GNU coreutils')
    for (const binary of [old, other, join(directory, 'absent')]) {
      const refusal = await find({ binary }).catch((cause: unknown) => cause)
      expect(refusal).to.be.an.instanceOf(ConfigurationError)
      expect(String(refusal)).to.include(`REDIS_SERVER_BIN=${binary}`)
    }
  })

  it('prefers what is installed, and passes over what is too old', async () => {
    await script('valkey-server', 'Valkey server v=7.0.1 sha=00000000:0 malloc=libc bits=64 build=0')
    const binary = await script(
      'redis-server',
      'Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64 build=0',
    )
    expect(await find({})).to.deep.include({ binary, source: 'path', product: 'redis' })
  })

  it('fetches one where none is installed, once for all who ask at the same time', async function () {
    this.timeout(120_000)
    const [first, second] = await Promise.all([find({ searchPath: '' }), find({ searchPath: '' })])
    expect(first.source).to.equal('fetched')
    expect(second.binary).to.equal(first.binary)
    expect((await find({ searchPath: '' })).source).to.equal('cache')
    expect(await readdir(directory)).to.deep.equal(['cache'])
  })

  it('fetches one where apt counts it as installed, but it is not on the search path', async () => {
    const programs = join(directory, 'programs')
    await mkdir(programs)
    // apt plans nothing for what is installed, unless it is asked to install it once more.
    const apt = `case "$*" in
      *download*) touch redis-server.deb ;;
      *--reinstall*) echo 'Inst redis-server [5:7.0.15] (5:7.0.15 Debian [amd64])' ;;
    esac`
    const version = 'Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64 build=0'
    const dpkg = `mkdir -p "$3/usr/bin"
      printf '#!/bin/sh\\necho "${version}"\\n' > "$3/usr/bin/redis-server"
      chmod +x "$3/usr/bin/redis-server"`
    for (const [name, text] of Object.entries({ 'apt-get': apt, 'dpkg-deb': dpkg })) {
      await writeFile(join(programs, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    }
    const { PATH } = process.env
    process.env.PATH = `${programs}:${PATH}`
    try {
      const steps: string[] = []
      const found = await find({ searchPath: '', onProgress: (step) => void steps.push(step) })
      expect(found.source).to.equal('fetched')
      expect(steps).to.deep.equal(['downloading redis-server=5:7.0.15; then it is unpacked and started'])
    } finally {
      process.env.PATH = PATH
    }
  })

  it('replaces a fetched one that runs no more', async function () {
    this.timeout(120_000)
    const broken = join(directory, 'cache', 'usr', 'bin')
    await mkdir(broken, { recursive: true })
    await writeFile(join(broken, 'redis-server'), 'not a program', { mode: 0o755 })
    expect((await find({ searchPath: '' })).source).to.equal('fetched')
  })

  it('knows the guard of this system', async () => {
    expect([utilLinuxGuard, portableGuard]).to.include(await findGuard())
  })
})
