import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { urlOf, type Endpoint } from '../../server/cluster/embedded-redis/endpoint.ts'
import { findRedisServer, type FoundServer } from '../../server/cluster/embedded-redis/find-server.ts'
import { findGuard, type Guard } from '../../server/cluster/embedded-redis/guard.ts'
import { startRedisProcess, type RedisProcess } from '../../server/cluster/embedded-redis/redis-process.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { trackChild } from './children.ts'
import { freePort } from './free-port.ts'

/** A private Redis of a test: a real server, which the test may hurt. */
export interface TestRedis {
  /** `redis://127.0.0.1:PORT` or `unix:///path/to/redis.sock`; the same after a restart. */
  readonly url: string
  /** Of the current run; changes with `restart`. */
  readonly pid: number
  /** Where its data lies. */
  readonly dir: string
  /** Sends a signal; resolves when the server is gone, if it is a signal that ends it. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it again at the same address, ended or not; with `wipe` on an empty directory. */
  restart(options?: { wipe?: boolean }): Promise<void>
  /** The server neither answers nor dies until `thaw`. */
  freeze(): void
  thaw(): void
  /** Its file can't grow any more, as on a disk that is full, until `freeDisk`. Only with `mayRunFull`. */
  fillDisk(): Promise<void>
  freeDisk(): Promise<void>
  /** Ends it and removes its directory, unless the directory was given. Safe twice. */
  stop(): Promise<void>
}

export interface TestRedisOptions {
  /** Further lines of redis.conf, such as `{ maxmemory: '20mb' }`. */
  readonly config?: Readonly<Record<string, string>>
  /** Keep the data here instead of in a directory of its own. */
  readonly dir?: string
  readonly port?: 'unix' | 'tcp'
  /** What survives a kill and restart: nothing, or all that was acknowledged. */
  readonly persistence?: 'none' | 'everysec' | 'always'
  /** It survives a write beyond the limit that `fillDisk` sets; Redis itself would be killed by the signal. */
  readonly mayRunFull?: boolean
}

/** Where the tests keep the server that they fetched: once for all runs, not once per test. */
export const serverCache = join(
  import.meta.dirname,
  '..',
  '..',
  'node_modules',
  '.cache',
  'lockstep',
  'redis-bin',
)

let server: Promise<FoundServer> | undefined

/** The server that every test runs, found or fetched once. */
export function testRedisServer(): Promise<FoundServer> {
  return (server ??= findRedisServer({
    binary: process.env.REDIS_SERVER_BIN,
    searchPath: process.env.PATH ?? '',
    cacheDirectory: serverCache,
  }))
}

function ignoringFileLimit(guard: Guard): Guard {
  const ignoring = ['sh', '-c', `trap '' XFSZ; exec "$@"`, 'sh']
  return { ...guard, wrap: (command, lockFile) => guard.wrap([...ignoring, ...command], lockFile) }
}

async function limitFileSize(pid: number, limit: string): Promise<void> {
  await promisify(execFile)('prlimit', ['--pid', String(pid), `--fsize=${limit}:`])
}

export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const { port = 'tcp', persistence = 'none' } = options
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'lockstep-redis-')))
  const endpoint: Endpoint =
    port === 'unix' ? { path: join(dir, 'redis.sock') } : { host: '127.0.0.1', port: await freePort() }
  const guard = options.mayRunFull ? ignoringFileLimit(await findGuard()) : await findGuard()

  async function launch(): Promise<RedisProcess> {
    const redis = await startRedisProcess({
      server: await testRedisServer(),
      guard,
      lockFile: join(dir, 'redis.lock'),
      endpoint,
      directives: [
        ['dir', dir],
        ['save', ''],
        ['appendonly', persistence === 'none' ? 'no' : 'yes'],
        ['appendfsync', persistence === 'always' ? 'always' : 'everysec'],
        ...Object.entries(options.config ?? {}),
      ],
      deadline: deadlineIn(15_000),
    })
    trackChild(redis.pid, 'the Redis of a test')
    return redis
  }

  let redis = await launch()

  async function end(): Promise<void> {
    // A frozen server cannot obey.
    redis.kill('SIGCONT')
    await redis.stop(deadlineIn(2_000))
  }

  return {
    url: urlOf(endpoint),
    dir,
    get pid() {
      return redis.pid
    },
    async kill(signal) {
      redis.kill(signal)
      if (['SIGKILL', 'SIGTERM', 'SIGINT'].includes(signal)) await redis.exited
    },
    async restart({ wipe = false } = {}) {
      await end()
      if (wipe) await rm(join(dir, 'appendonlydir'), { recursive: true, force: true })
      redis = await launch()
    },
    freeze: () => redis.kill('SIGSTOP'),
    thaw: () => redis.kill('SIGCONT'),
    fillDisk: () => limitFileSize(redis.pid, '1'),
    freeDisk: () => limitFileSize(redis.pid, 'unlimited'),
    async stop() {
      await end()
      if (!options.dir) await rm(dir, { recursive: true, force: true })
    },
  }
}
