/**
 * Everybody who takes part, each in processes of its own on a Redis of its own, and each signed in. All answer the
 * same JSON: that of our own `/api/v1/auth/me`, so our server starts first.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { admin, startCluster } from '../../test/support/cluster.ts'
import { signIn } from '../../test/support/http.ts'
import { startRedis } from '../../test/support/redis.ts'
import { processTree } from '../support/cpu-time.ts'

export interface Contender {
  readonly name: string
  readonly port: number
  /** The request that is measured, as bytes on the wire. */
  readonly request: string
  /** Whose CPU time its answers cost. */
  readonly pids: readonly number[]
  stop(): Promise<void>
}

const measuredPath = '/api/v1/auth/me'

/** Starts our built server with one worker, as it runs in production. */
export async function startOurs(name: string, env: Readonly<Record<string, string>>): Promise<Contender> {
  const redis = await startRedis()
  const cluster = await startCluster({
    workers: 1,
    redisUrl: redis.url,
    env: { NODE_ENV: 'production', LOG_LEVEL: 'info', ...env },
  })
  const { token } = await signIn(cluster.url, admin)
  return {
    name,
    port: Number(new URL(cluster.url).port),
    request: requestWith(`sid=${token}`),
    pids: [redis.pid, ...processTree(cluster.primaryPid)],
    async stop() {
      await cluster.stop()
      await redis.stop()
    },
  }
}

/** Starts one of the files in `contenders`. */
export async function startTheirs(name: string, file: string, answer: unknown): Promise<Contender> {
  const redis = await startRedis()
  const server = fork(path.join(import.meta.dirname, 'contenders', `${file}.js`), {
    execArgv: [],
    env: { NODE_ENV: 'production', BENCH_TASK: JSON.stringify({ redisUrl: redis.url, answer }) },
  })
  const ended = once(server, 'exit')
  const [port] = (await Promise.race([
    once(server, 'message'),
    ended.then(() => Promise.reject(new Error(`${name} does not start`))),
  ])) as [number]
  const login = await fetch(`http://127.0.0.1:${port}/login`, { method: 'POST' })
  const cookies = login.headers.getSetCookie().map((cookie) => cookie.split(';', 1)[0])
  return {
    name,
    port,
    request: requestWith(cookies.join('; ')),
    pids: [redis.pid, server.pid ?? 0],
    async stop() {
      server.kill()
      await ended
      await redis.stop()
    },
  }
}

/** What this contender answers, once, as anybody sees it. */
export async function answerOf({ port, request }: Pick<Contender, 'port' | 'request'>): Promise<unknown> {
  const cookie = /^Cookie: (.*)\r$/m.exec(request)?.[1] ?? ''
  const answer = await fetch(`http://127.0.0.1:${port}${measuredPath}`, { headers: { cookie } })
  if (answer.status !== 200) throw new Error(`answered ${answer.status}`)
  return answer.json()
}

/** The request that is measured, as bytes on the wire. */
export function requestWith(cookies: string): string {
  const headers = [
    'Host: 127.0.0.1',
    'User-Agent: bench',
    'Accept: application/json',
    'Accept-Encoding: gzip, deflate',
    ...(cookies === '' ? [] : [`Cookie: ${cookies}`]),
  ]
  return [`GET ${measuredPath} HTTP/1.1`, ...headers, '', ''].join('\r\n')
}
