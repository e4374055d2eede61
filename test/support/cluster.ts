/** The real server: built, in processes of its own, with everything that `npm start` gives it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { trackChild } from './children.ts'
import { eventually } from './eventually.ts'
import { serverCache, testRedisServer } from './redis.ts'
import { recordOutput, recordSecret } from './run-records.ts'

const dist = path.join(import.meta.dirname, '..', '..', 'dist')
export const builtMain = path.join(dist, 'bundle', 'server', 'main.js')

export const admin = { email: 'admin@example.com', password: 'seven-Lanterns-over-the-9th-bridge' }

/** For tests that sign in more often than a person does. */
export const withoutLimits = { LIMIT_API: 'off', LIMIT_LOGIN_IP: 'off', LIMIT_LOGIN_ACCOUNT: 'off' }

export interface ClusterOptions {
  readonly workers?: number
  /** None unless a test is about them. */
  readonly jobWorkers?: number
  /** Beside what the cluster is given anyway; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Kept at the end; without one it has a temporary one. */
  readonly dataDir?: string
  /** An external Redis; without one the embedded one runs. */
  readonly redisUrl?: string
  readonly mainPath?: string
  /** What stands between the program and the application. */
  readonly arguments?: readonly string[]
  /** The module of an application, as it is named from `cwd`. */
  readonly applicationFile?: string
  readonly cwd?: string
  /** A process group of its own, as a terminal gives it, so that `process.kill(-primaryPid, …)` is Ctrl-C. */
  readonly ownGroup?: boolean
}

export interface TestCluster {
  readonly url: string
  readonly primaryPid: number
  readonly dataDir: string
  readonly workers: number
  /** What it has printed so far, on both streams. */
  output(): string
  /** The lines of its log so far. */
  logged(): Record<string, any>[]
  /** By slot, the process of the web worker (or job worker) that became ready there last. */
  workerPids(role?: 'web' | 'jobs'): ReadonlyMap<number, number>
  signalWorker(slot: number, signal: NodeJS.Signals): void
  signal(signal: NodeJS.Signals): void
  /** Its exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** Stops it gracefully, expects exit code 0, and removes its directory. Safe twice. */
  stop(): Promise<void>
  /** Ends it with `kill -9`, waits until its workers have gone too, and removes its directory. */
  kill(): Promise<void>
}

/** Starts the server and waits until it listens; rejects with what it printed when it does not. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const launched = await launch(options)
  const { primary, dataDir, output, logged, exited } = launched
  const url = await eventually(() => {
    const listening = logged().find(({ msg }) => msg === 'listening')
    if (listening) return String(listening.url)
    if (launched.hasEnded()) return null
    throw new Error('the server does not listen')
  }, 60_000).catch(() => null)
  if (url === null) {
    primary.kill('SIGKILL')
    await launched.remove()
    throw new Error(`the server does not listen:\n${output()}`)
  }

  function workerPids(wanted = 'web'): ReadonlyMap<number, number> {
    const ready = logged().filter(({ msg, role }) => msg === 'worker is ready' && role === wanted)
    return new Map(ready.map(({ slot, workerPid }) => [Number(slot), Number(workerPid)]))
  }
  for (const pid of workerPids().values()) trackChild(pid, 'a worker of a test')

  return {
    url,
    dataDir,
    output,
    logged,
    exited,
    workerPids,
    primaryPid: primary.pid ?? 0,
    workers: options.workers ?? defaultWorkers,
    signal: (signal) => void primary.kill(signal),
    signalWorker(slot, signal) {
      const pid = workerPids().get(slot)
      if (pid === undefined) throw new Error(`there is no worker ${slot}`)
      process.kill(pid, signal)
    },
    async stop() {
      primary.kill('SIGTERM')
      const code = await exited
      await launched.remove()
      if (code !== 0) throw new Error(`the server ended with exit code ${code}:\n${output()}`)
    },
    async kill() {
      for (const pid of workerPids().values()) trackChild(pid, 'a worker of a test')
      primary.kill('SIGKILL')
      await exited
      await launched.remove()
    },
  }
}

/** Runs the server when it is expected to refuse: gives its exit code (null: it ran on) and what it printed. */
export async function refusedStart(
  options: ClusterOptions = {},
): Promise<{ code: number | null; output: string }> {
  const { primary, exited, output, remove } = await launch(options)
  const patience = setTimeout(() => primary.kill('SIGKILL'), 30_000)
  const code = await exited
  clearTimeout(patience)
  await remove()
  return { code, output: output() }
}

const defaultWorkers = 2

interface Launched {
  readonly primary: ChildProcess
  readonly dataDir: string
  readonly exited: Promise<number | null>
  hasEnded(): boolean
  output(): string
  logged(): Record<string, any>[]
  remove(): Promise<void>
}

async function launch(options: ClusterOptions): Promise<Launched> {
  const { mainPath = builtMain, workers = defaultWorkers, applicationFile, cwd } = options
  if (!existsSync(mainPath)) throw new Error(`${mainPath} is not built: run npm run build, or npm test`)
  const dataDir = options.dataDir ?? (await mkdtemp(path.join(tmpdir(), 'lockstep-cluster-')))
  await shareRedisServer(dataDir)
  const { PATH, HOME, TMPDIR, NODE_V8_COVERAGE } = process.env
  recordSecret(admin.password)
  // The address of a cluster or of Sentinels is none that URL understands.
  if (URL.canParse(options.redisUrl ?? '')) recordSecret(new URL(options.redisUrl ?? '').password)

  const application = [
    ...(options.arguments ?? []),
    ...(applicationFile === undefined ? [] : [applicationFile]),
  ]
  const primary = spawn(process.execPath, [mainPath, ...application], {
    cwd,
    env: {
      PATH,
      HOME,
      TMPDIR,
      NODE_V8_COVERAGE,
      DATA_DIR: dataDir,
      PORT: '0',
      WORKERS: String(workers),
      JOB_WORKERS: String(options.jobWorkers ?? 0),
      ADMIN_EMAIL: admin.email,
      ADMIN_PASSWORD: admin.password,
      REDIS_URL: options.redisUrl,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.ownGroup ?? false,
  })
  trackChild(primary.pid ?? 0, 'the server of a test')
  let printed = ''
  for (const stream of [primary.stdout, primary.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      printed += text
      recordOutput(text)
    })
  }
  let ended = false
  // Both streams have ended by then: the workers, which share them, have gone as well.
  const exited = new Promise<number | null>((resolve) => {
    primary.once('close', (code) => {
      ended = true
      resolve(code)
    })
  })
  return {
    primary,
    dataDir,
    exited,
    hasEnded: () => ended,
    output: () => printed,
    logged: () => printed.split('\n').flatMap(parsedLine),
    async remove() {
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** A Redis server that had to be fetched is fetched once for all tests, not once per data directory. */
export async function shareRedisServer(dataDir: string): Promise<void> {
  await testRedisServer()
  await mkdir(dataDir, { recursive: true })
  await symlink(serverCache, path.join(dataDir, 'redis-bin')).catch(() => {})
}

function parsedLine(line: string): Record<string, any>[] {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? [value] : []
  } catch {
    return []
  }
}
