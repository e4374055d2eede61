import { expect } from 'chai'
import { chmod, chown, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { firstAdministratorText, listeningText } from '../../server/cluster/boot/announcements.ts'
import { availableCpus } from '../../server/cluster/boot/available-cpus.ts'
import { claimPort } from '../../server/cluster/boot/claim-port.ts'
import { createDataDirectory } from '../../server/cluster/boot/data-directory.ts'
import { chooseDurability, type DurabilityQuestion } from '../../shared/domain/durability.ts'
import { memoryLimit, memoryShare } from '../../server/cluster/boot/memory-share.ts'
import { redisProblems, type RedisFacts } from '../../shared/domain/redis-facts.ts'
import { localUrl } from '../../shared/config/local-url.ts'
import { ConfigurationError } from '../../shared/kernel/errors.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'

async function problemsOf(attempt: Promise<unknown>): Promise<string> {
  const failure = await attempt.then(
    () => null,
    (cause: unknown) => cause,
  )
  expect(failure).to.be.instanceOf(ConfigurationError)
  return (failure as ConfigurationError).problems.join('\n')
}

describe('the CPUs that may be used', () => {
  const cpusWith = (files: Record<string, string>) =>
    availableCpus({ cpus: 16, read: (file) => files[file] ?? null })

  it('are those of the machine without a limit', () => {
    expect(cpusWith({})).to.equal(16)
    expect(cpusWith({ '/sys/fs/cgroup/cpu.max': 'max 100000\n' })).to.equal(16)
    expect(cpusWith({ '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n' })).to.equal(16)
  })

  it('are limited by the quota of a container, rounded up', () => {
    expect(cpusWith({ '/sys/fs/cgroup/cpu.max': '200000 100000\n' })).to.equal(2)
    expect(cpusWith({ '/sys/fs/cgroup/cpu.max': '150000 100000\n' })).to.equal(2)
    expect(cpusWith({ '/sys/fs/cgroup/cpu.max': '10000 100000\n' })).to.equal(1)
  })

  it('are limited by the tightest of the groups around this process', () => {
    const files = {
      '/proc/self/cgroup': '0::/pod/app\n',
      '/sys/fs/cgroup/pod/app/cpu.max': '800000 100000\n',
      '/sys/fs/cgroup/pod/cpu.max': '300000 100000\n',
    }
    expect(cpusWith(files)).to.equal(3)
  })

  it('are limited by the quota of the first version of control groups', () => {
    const folder = '/sys/fs/cgroup/cpu,cpuacct'
    const files = { [`${folder}/cpu.cfs_quota_us`]: '400000\n', [`${folder}/cpu.cfs_period_us`]: '100000\n' }
    expect(cpusWith(files)).to.equal(4)
  })
})

describe('the memory that each worker may use', () => {
  const gib = 1024 ** 3
  const limitWith = (files: Record<string, string>) => memoryLimit((file) => files[file] ?? null)

  it('is not limited where no control group limits it', () => {
    expect(limitWith({})).to.equal(null)
    expect(limitWith({ '/sys/fs/cgroup/memory.max': 'max\n' })).to.equal(null)
    const unlimited = '/sys/fs/cgroup/memory/memory.limit_in_bytes'
    expect(limitWith({ [unlimited]: '9223372036854771712\n' })).to.equal(null)
    expect(memoryShare(null, 4)).to.equal(null)
  })

  it('follows the tightest limit of the groups around this process', () => {
    const files = {
      '/proc/self/cgroup': '0::/pod/app\n',
      '/sys/fs/cgroup/pod/app/memory.max': `${4 * gib}\n`,
      '/sys/fs/cgroup/pod/memory.max': `${gib}\n`,
    }
    expect(limitWith(files)).to.equal(gib)
    expect(limitWith({ '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${2 * gib}\n` })).to.equal(2 * gib)
  })

  it('leaves room for all of them: the heaps of all workers together stay below the limit', () => {
    for (const limit of [gib, 2 * gib, 16 * gib]) {
      for (const workers of [1, 2, 5]) {
        const { heapMb, rssBytes } = memoryShare(limit, workers)!
        expect(rssBytes * workers).to.be.below(limit)
        expect(heapMb * 1024 ** 2).to.be.below(rssBytes)
        expect(heapMb).to.be.within(64, 4096)
      }
    }
    expect(memoryShare(gib, 4)!.heapMb).to.be.below(memoryShare(gib, 2)!.heapMb)
  })
})

describe('the examination of Redis', () => {
  const good: RedisFacts = {
    server: { product: 'redis', version: '7.0.15' },
    evictionPolicy: 'noeviction',
    isReplica: false,
    syncsEveryWrite: false,
    replicas: 0,
    clustered: false,
  }

  it('accepts Redis 7.0 and Valkey 7.2, and one that hides its policy', () => {
    expect(redisProblems(good, 'redis://h')).to.deep.equal([])
    const valkey = { product: 'valkey', version: '8.0.1' } as const
    expect(redisProblems({ ...good, server: valkey, evictionPolicy: null }, 'redis://h')).to.deep.equal([])
  })

  it('tells all that is wrong at once, with the way out', () => {
    const server = { product: 'redis', version: '6.2.14' } as const
    const problems = redisProblems(
      { ...good, server, evictionPolicy: 'volatile-ttl', isReplica: true },
      'redis://h',
    )
    expect(problems).to.have.length(3)
    expect(problems[0]).to.match(/redis 6\.2\.14.*Redis 7\.0 or Valkey 7\.2.*Upgrade it/)
    expect(problems[1]).to.match(/CONFIG SET maxmemory-policy noeviction/)
    expect(problems[2]).to.match(/read-only replica/)
  })
})

describe('what a failure of Redis does to sessions', () => {
  const alone: DurabilityQuestion = {
    wanted: 'auto',
    nodes: null,
    kind: 'single',
    facts: { syncsEveryWrite: true, replicas: 0, clustered: false },
  }
  const mode = (question: Partial<DurabilityQuestion>, facts: Partial<DurabilityQuestion['facts']> = {}) =>
    chooseDurability({ ...alone, ...question, facts: { ...alone.facts, ...facts } })

  it('keeps sessions by itself only on one server without replicas that syncs every write, or the embedded one', () => {
    expect(mode({}).mode).to.equal('keep')
    expect(mode({ kind: 'embedded' }, { syncsEveryWrite: false }).mode).to.equal('keep')
    expect(mode({}, { syncsEveryWrite: false }).mode).to.equal('fence')
    expect(mode({}, { syncsEveryWrite: null }).mode).to.equal('fence')
    expect(mode({}, { replicas: 1 })).to.deep.include({
      mode: 'fence',
      because: 'Redis has 1 replica, which may lack the last writes when it takes over',
    })
    expect(mode({}, { clustered: true }).mode).to.equal('fence')
    expect(mode({ kind: 'sentinel' }).mode).to.equal('fence')
    expect(mode({ kind: 'cluster' }).mode).to.equal('fence')
  })

  it('chooses failover by itself only for three declared nodes or more', () => {
    expect(mode({ kind: 'sentinel', nodes: 3 }, { replicas: 2 }).mode).to.equal('failover')
    expect(mode({ kind: 'cluster', nodes: 3 }, { replicas: 2 }).mode).to.equal('failover')
    expect(mode({ kind: 'sentinel', nodes: 2 }, { replicas: 1 }).mode).to.equal('fence')
  })

  it('does what was chosen, and takes a service that is declared durable at its word', () => {
    expect(mode({ wanted: 'fence', kind: 'embedded' }).mode).to.equal('fence')
    expect(mode({ wanted: 'durable', kind: 'cluster' }, { syncsEveryWrite: null })).to.deep.include({
      mode: 'keep',
      problems: [],
      doubts: [],
    })
    expect(mode({ wanted: 'durable' }, { syncsEveryWrite: false }).doubts[0]).to.contain('make sure')
  })

  it('refuses to keep sessions where a replica may take over, and doubts it where writes are not synced', () => {
    for (const choice of [
      mode({ wanted: 'keep', kind: 'sentinel' }),
      mode({ wanted: 'keep', kind: 'cluster' }),
      mode({ wanted: 'keep' }, { replicas: 2 }),
    ]) {
      expect(choice.problems).to.have.length(1)
      expect(choice.problems[0]).to.match(/SESSION_DURABILITY=keep can't be kept: .*REDIS_NODES/)
    }
    expect(mode({ wanted: 'keep' })).to.deep.include({ mode: 'keep', problems: [], doubts: [] })
    expect(mode({ wanted: 'keep' }, { syncsEveryWrite: false }).doubts[0]).to.contain('appendfsync always')
  })

  it('refuses a declared number of nodes that is too small, and doubts one that leaves nobody to confirm', () => {
    const wanted = { wanted: 'failover', kind: 'sentinel', nodes: 3 } as const
    expect(mode(wanted, { replicas: 4 }).problems[0]).to.contain('Set REDIS_NODES=5')
    expect(mode({ ...wanted, wanted: 'auto' }, { replicas: 4 }).problems).to.have.length(1)
    expect(mode(wanted, { replicas: 0 }).doubts[0]).to.contain('no replicas: until 1 follow')
    expect(mode(wanted, { replicas: 1 })).to.deep.include({ problems: [], doubts: [] })
  })
})

describe('the data directory', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lockstep-directory-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  it('is made private to its user', async () => {
    const inner = path.join(directory, 'deep', 'data')
    const held = createDataDirectory(inner)
    await held.start()
    expect((await stat(inner)).mode & 0o777).to.equal(0o700)
    await held.stop(deadlineIn(100))
  })

  async function modeAfterStart(existing: string): Promise<number> {
    const held = createDataDirectory(existing)
    await held.start()
    await held.stop(deadlineIn(100))
    return (await stat(existing)).mode & 0o7777
  }

  it('is closed to others when it is empty, or was ours before', async () => {
    for (const mode of [0o755, 0o775, 0o777]) {
      await chmod(directory, mode)
      expect(await modeAfterStart(directory)).to.equal(0o700)
    }
  })

  it('cannot be an empty one that everybody shares', async () => {
    await chmod(directory, 0o1777)
    expect(await problemsOf(createDataDirectory(directory).start())).to.match(/can be written to by others/)
    expect((await stat(directory)).mode & 0o7777).to.equal(0o1777)
  })

  it('is left as it is when it holds something else, with a lock that others can not hold', async () => {
    await writeFile(path.join(directory, 'package.json'), '')
    await chmod(directory, 0o755)
    const held = createDataDirectory(directory)
    await held.start()
    expect((await stat(directory)).mode & 0o7777).to.equal(0o755)
    expect((await stat(path.join(directory, 'primary.lock'))).mode & 0o777).to.equal(0o600)
    await held.stop(deadlineIn(100))
  })

  for (const [what, mode, words] of [
    ['everybody writes to', 0o1777, /can be written to by others/],
    ['its group writes to', 0o770, /can be written to by others/],
  ] as const) {
    it(`cannot be one that ${what}, which is left as it is`, async () => {
      const shared = path.join(directory, 'shared')
      await mkdir(path.join(shared, 'project'), { recursive: true })
      await chmod(shared, mode)
      const problem = await problemsOf(createDataDirectory(shared).start())
      expect(problem).to.match(words)
      expect(problem).to.contain(`DATA_DIR=${shared} `).and.contain(`such as DATA_DIR=${shared}/lockstep`)
      expect((await stat(shared)).mode & 0o7777).to.equal(mode)
      expect(await modeAfterStart(path.join(shared, 'lockstep'))).to.equal(0o700)
    })
  }

  it('cannot be that of another user', async function () {
    // Only root can give a directory away.
    if (process.getuid?.() !== 0) this.skip()
    const foreign = path.join(directory, 'foreign')
    await mkdir(foreign, { mode: 0o700 })
    await chown(foreign, 65_534, 65_534)
    expect(await problemsOf(createDataDirectory(foreign).start())).to.contain('belongs to another user')
  })

  it('belongs to one at a time, and is free after a stop', async () => {
    const [first, second] = [createDataDirectory(directory), createDataDirectory(directory)]
    await first.start()
    expect(await problemsOf(second.start())).to.contain(`in use by another primary (process ${process.pid})`)
    await first.stop(deadlineIn(100))
    await second.start()
    await second.stop(deadlineIn(100))
    await second.stop(deadlineIn(100))
  })

  it('cannot be a file', async () => {
    const file = path.join(directory, 'file')
    await writeFile(file, '')
    expect(await problemsOf(createDataDirectory(file).start())).to.match(/can't be used: .*Name a directory/)
  })
})

describe('the port', () => {
  it('is a free one when any will do', async () => {
    expect(await claimPort('127.0.0.1', 0)).to.be.greaterThan(1_023)
  })

  it('is refused on an address that is not of this machine', async () => {
    expect(await problemsOf(claimPort('192.0.2.1', 0))).to.match(
      /HOST=192\.0\.2\.1 is not an address of this/,
    )
  })
})

describe('what is said to the person who started the server', () => {
  it('names an address that can be reached from here', () => {
    expect(localUrl('0.0.0.0', 80)).to.equal('http://127.0.0.1:80')
    expect(localUrl('::', 3000)).to.equal('http://[::1]:3000')
    expect(localUrl('fd00::1', 3000)).to.equal('http://[fd00::1]:3000')
    expect(localUrl('web.internal', 3000)).to.equal('http://web.internal:3000')
  })

  it('names the pages to open first', () => {
    const said = listeningText('http://h:1', 2, 'a@b')
    for (const page of ['/', '/account', '/admin'])
      expect(said).to.match(new RegExp(`^ +http://h:1${page} `, 'mu'))
  })

  it('quotes the address of the administrator for the shell', () => {
    expect(listeningText('http://h', 1, "o'hara@example.com")).to.contain("o'\\''hara@example.com")
  })

  it('shows a generated password, and never a chosen one', () => {
    expect(firstAdministratorText({ email: 'a@b', generatedPassword: 'p-q-r' })).to.contain('p-q-r')
    expect(firstAdministratorText({ email: 'a@b', generatedPassword: null })).to.contain('of ADMIN_PASSWORD')
  })
})
