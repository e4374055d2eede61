import { join } from 'node:path'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { urlOf } from '../cluster/embedded-redis/endpoint.ts'
import { findRedisServer } from '../cluster/embedded-redis/find-server.ts'
import { findGuard } from '../cluster/embedded-redis/guard.ts'
import { startRedisProcess } from '../cluster/embedded-redis/redis-process.ts'

export interface PrivateRedis {
  readonly url: string
  /** It neither answers nor ends until `thaw`. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

export interface PrivateRedisOptions {
  readonly directory: string
  /** Where a server that had to be fetched is kept for the next time. */
  readonly cacheDirectory: string
  readonly binary: string | undefined
  readonly searchPath: string
}

/** A Redis of its own for one test application, on a socket in its directory. */
export async function startPrivateRedis(options: PrivateRedisOptions): Promise<PrivateRedis> {
  const { directory, cacheDirectory, binary, searchPath } = options
  const endpoint = { path: join(directory, 'redis.sock') }
  const redis = await startRedisProcess({
    server: await findRedisServer({ binary, searchPath, cacheDirectory }),
    guard: await findGuard(),
    lockFile: join(directory, 'redis.lock'),
    endpoint,
    directives: [
      ['dir', directory],
      ['save', ''],
      ['appendonly', 'no'],
      ['maxmemory-policy', 'noeviction'],
    ],
    deadline: deadlineIn(15_000),
  })
  return {
    url: urlOf(endpoint),
    freeze: () => redis.kill('SIGSTOP'),
    thaw: () => redis.kill('SIGCONT'),
    async stop() {
      redis.kill('SIGCONT')
      await redis.stop(deadlineIn(2_000))
    },
  }
}
