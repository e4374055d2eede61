/**
 * Who takes part: the built server as it runs in production, and bare Koa under node:cluster and under pm2. Each
 * worker leaves a record of when it was ready, on the clock of the machine, so that waiting for it adds nothing to
 * the times.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isAlive } from '../../test/support/children.ts'
import { admin, startCluster } from '../../test/support/cluster.ts'
import { eventually } from '../../test/support/eventually.ts'
import { freePort } from '../../test/support/free-port.ts'
import { signIn } from '../../test/support/http.ts'
import { startPm2 } from '../../test/support/pm2.ts'
import { startRedis } from '../../test/support/redis.ts'
import { requestWith } from '../hot-path/contenders.ts'
import { processTree } from '../support/cpu-time.ts'

export interface Contender {
  readonly name: string
  start(workers: number): Promise<Deployment>
  /** Removes what it kept from one start to the next. */
  close(): Promise<void>
}

/** A contender that runs: all its workers are ready. */
export interface Deployment {
  readonly port: number
  /** The request that is measured, as bytes on the wire. */
  readonly request: string
  /** Whose CPU time its answers cost: the primary, its workers and what they ask. */
  readonly pids: readonly number[]
  /** From the command that starts it to its last worker being ready. */
  readonly bootMs: number
  /** Every worker that became ready so far, in that order. */
  ready(): ReadyWorker[]
  stop(): Promise<void>
}

export interface ReadyWorker {
  readonly pid: number
  /** Milliseconds since 1970. */
  readonly at: number
}

interface BareWorker extends ReadyWorker {
  readonly parent: number
}

const bareDirectory = path.join(import.meta.dirname, 'contenders')
const bareWorker = path.join(bareDirectory, 'bare-koa.js')
const barePrimary = path.join(bareDirectory, 'node-cluster.js')
const patienceMs = 30_000

/** Its Redis and its data directory live as long as the contender: only the first start creates accounts. */
export async function prepareOurs(name: string, env: Readonly<Record<string, string>>): Promise<Contender> {
  const redis = await startRedis()
  const dataDir = await mkdtemp(path.join(tmpdir(), 'lockstep-bench-'))
  return {
    name,
    async start(workers) {
      const startedAt = Date.now()
      const cluster = await startCluster({
        workers,
        dataDir,
        redisUrl: redis.url,
        env: { NODE_ENV: 'production', LOG_LEVEL: 'info', ...env },
      })
      const ready = () =>
        cluster
          .logged()
          .filter(({ msg }) => msg === 'worker is ready')
          .map(({ workerPid, time }) => ({ pid: Number(workerPid), at: Date.parse(String(time)) }))
      const { token } = await signIn(cluster.url, admin)
      return {
        port: Number(new URL(cluster.url).port),
        request: requestWith(`sid=${token}`),
        pids: [redis.pid, ...processTree(cluster.primaryPid)],
        bootMs: lastOf(ready()) - startedAt,
        ready,
        stop: cluster.stop,
      }
    },
    async close() {
      await redis.stop()
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** @param answer the JSON of our own `/api/v1/auth/me` */
export function bareUnderNodeCluster(name: string, answer: unknown): Contender {
  return prepareBare(name, answer, async (env) => {
    const startedAt = Date.now()
    const primary = spawn(process.execPath, [barePrimary], { env, stdio: ['ignore', 'inherit', 'inherit'] })
    const ended = once(primary, 'exit')
    return {
      startedAt,
      async stop() {
        primary.kill()
        await ended
      },
    }
  })
}

/** @param answer the JSON of our own `/api/v1/auth/me` */
export function bareUnderPm2(name: string, answer: unknown): Contender {
  return prepareBare(name, answer, async (env) => {
    const pm2 = await startPm2(bareDirectory, env)
    const startedAt = Date.now()
    await pm2.run('start', bareWorker, '--instances', env.WORKERS)
    return { startedAt, stop: pm2.kill }
  })
}

interface BareEnvironment extends Record<string, string> {
  NODE_ENV: string
  WORKERS: string
  BENCH_TASK: string
}

interface Launched {
  readonly startedAt: number
  stop(): Promise<void>
}

function prepareBare(
  name: string,
  answer: unknown,
  launch: (env: BareEnvironment) => Promise<Launched>,
): Contender {
  async function start(workers: number): Promise<Deployment> {
    const port = await freePort()
    const directory = await mkdtemp(path.join(tmpdir(), 'lockstep-bench-'))
    const readinessFile = path.join(directory, 'ready')
    const ready = () => readRecords(readinessFile)
    const launched = await launch({
      NODE_ENV: 'production',
      WORKERS: String(workers),
      BENCH_TASK: JSON.stringify({ port, answer, readinessFile }),
    })

    async function stop(): Promise<void> {
      await launched.stop()
      await eventually(() => {
        if (ready().some(({ pid }) => isAlive(pid))) throw new Error(`a worker of ${name} lives on`)
      })
      await rm(directory, { recursive: true, force: true })
    }

    try {
      const all = await eventually(() => {
        const records = ready()
        if (records.length < workers) throw new Error(`${name} does not start`)
        return records
      }, patienceMs)
      return {
        port,
        request: requestWith(''),
        pids: [...new Set(all.flatMap(({ pid, parent }) => [pid, parent]))],
        bootMs: lastOf(all) - launched.startedAt,
        ready,
        stop,
      }
    } catch (cause) {
      await stop()
      throw cause
    }
  }
  return { name, start, close: async () => {} }
}

function readRecords(file: string): BareWorker[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as BareWorker)
}

function lastOf(workers: readonly ReadyWorker[]): number {
  return Math.max(...workers.map(({ at }) => at))
}
