/**
 * The Redis that comes with the server: a private process on a Unix socket in the data directory.
 *
 * What it acknowledged survives the death of Redis, of this process and of both; a run whose last second a power
 * cut may have taken is reported by `durabilityLost`. (One more exception: while the disk takes over a second to
 * sync, Redis holds its writes back for at most two seconds, and a kill -9 in that time loses them.)
 *
 * When it exits unexpectedly it is started again, at the same address, for as long as it takes.
 */
import { chmod, mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ConfigurationError, messageOf } from '../../../shared/kernel/errors.ts'
import { deadlineIn, remaining, type Deadline, type Service } from '../../../shared/kernel/lifecycle.ts'
import { accepts, urlOf } from './endpoint.ts'
import { findGuard, lockWaitMs, type Guard } from './guard.ts'
import { currentBootId, mayHaveLostWrites, readLastRun, writeLastRun } from './last-run.ts'
import type { LastRun, SocketPlace } from './last-run.ts'
import { describeExit, RedisStartFailed, startRedisProcess } from './redis-process.ts'
import type { RedisExit, RedisProcess } from './redis-process.ts'
import type { RedisServer } from './server-version.ts'

export interface EmbeddedRedis extends Service {
  /** `unix://` and the path of the socket. Known once started, the same over its restarts. */
  readonly url: string
  readonly socketPath: string
  /** Null while it does not run. */
  readonly pid: number | null
  /**
   * Writes that were acknowledged in an earlier run may be missing, logouts among them: sessions have to be
   * fenced. Known once started; stays true, in later runs too, until `lossHandled`.
   */
  readonly durabilityLost: boolean
  /** Call when the sessions are fenced. */
  lossHandled(): Promise<void>
  /** Called at each exit that no one asked for; returns a function that ends the subscription. */
  onExit(listener: (exit: RedisExit) => void): () => void
}

export interface EmbeddedRedisOptions {
  /** The data directory of the server; Redis gets the directory `redis` in it. */
  readonly dataDir: string
  readonly server: RedisServer
  readonly log: EmbeddedRedisLog
  /** Instead of the strongest guard that this system has. */
  readonly guard?: Guard
}

/** The part of a logger that is used here. */
export type EmbeddedRedisLog = Readonly<
  Record<'debug' | 'info' | 'warn' | 'error', (fields: object, message: string) => void>
>

/** Loading a large file is slow; never answering is a fault. */
const startPatienceMs = 60_000
const firstBackoffMs = 20
const longestBackoffMs = 5_000
/** A run of this length ends a series of failures. */
const healthyRunMs = 10_000
/** 108 bytes on Linux and 104 on macOS, with the zero at the end and something to spare. */
const longestSocketPath = 99

export function createEmbeddedRedis({ dataDir, server, log, guard }: EmbeddedRedisOptions): EmbeddedRedis {
  const directory = resolve(dataDir, 'redis')
  const listeners = new Set<(exit: RedisExit) => void>()
  let redis: RedisProcess | null = null
  let run: LastRun | null = null
  let stopping = new AbortController()
  let starting: Promise<void> | null = null
  let supervision: Promise<void> | null = null
  let ending: Promise<void> | null = null
  let recording = Promise.resolve()

  function current(): LastRun {
    if (!run) throw new Error('the embedded Redis is not started')
    return run
  }

  /** One record after the other: the last one is the one that stays. */
  function record(next: LastRun): Promise<void> {
    run = next
    const written = recording.then(() => writeLastRun(directory, next))
    recording = written.catch(() => {})
    return written
  }

  async function launch(socketPath: string, chosenGuard: Guard): Promise<RedisProcess> {
    const { signal } = stopping
    const started = await startRedisProcess({
      server,
      guard: chosenGuard,
      lockFile: join(directory, 'redis.lock'),
      endpoint: { path: socketPath },
      directives: [
        ['dir', directory],
        ['save', ''],
        ['appendonly', 'yes'],
        ['appendfsync', 'everysec'],
        // A write cut short by a kill was never acknowledged: the file is used without it.
        ['aof-load-truncated', 'yes'],
        ['maxmemory-policy', 'noeviction'],
      ],
      deadline: deadlineIn(startPatienceMs),
      signal,
      onLine: (line) => log.debug({ line }, 'Redis says'),
    })
    if (!signal.aborted) return started
    started.kill('SIGKILL')
    await started.exited
    throw new Error('stopped while it was starting')
  }

  async function begin(): Promise<void> {
    await makePrivate(directory, dataDir)
    const chosenGuard = guard ?? (await findGuard())
    const last = await readLastRun(directory)
    if (last && !chosenGuard.locks && (await staysInUse(last.socketPath))) throw inUse(dataDir)
    const bootId = await currentBootId()
    const hasData = (await readdir(directory)).includes('appendonlydir')
    const lossPending = last ? mayHaveLostWrites(last, bootId) : hasData

    const place = await placeForSocket(directory)
    try {
      redis = await launch(place.socketPath, chosenGuard)
      // Only now that the lock is ours: before, the record might have been another's.
      await record({ bootId, ended: 'not yet', lossPending, ...place })
    } catch (failure) {
      redis?.kill('SIGKILL')
      await redis?.exited
      redis = null
      await removePlace(place)
      throw failure instanceof RedisStartFailed && failure.locked ? inUse(dataDir) : failure
    }
    if (last && last.socketPath !== place.socketPath) await removePlace(last)
    supervision = supervise(place.socketPath, chosenGuard)
    log.info({ redisPid: redis.pid, directory }, 'the embedded Redis runs')
  }

  async function supervise(socketPath: string, chosenGuard: Guard): Promise<void> {
    let backoffMs = firstBackoffMs
    let startedAt = performance.now()
    while (!stopping.signal.aborted) {
      if (redis) {
        const exit = await redis.exited
        redis = null
        if (stopping.signal.aborted) return
        if (performance.now() - startedAt > healthyRunMs) backoffMs = firstBackoffMs
        log.error(
          { lastWords: exit.lastWords },
          `the embedded Redis exited unexpectedly (${describeExit(exit)})`,
        )
        for (const listener of listeners) listener(exit)
      }
      await pause(backoffMs * (0.5 + Math.random() / 2), undefined, { signal: stopping.signal }).catch(
        () => {},
      )
      backoffMs = Math.min(backoffMs * 2, longestBackoffMs)
      if (stopping.signal.aborted) return
      try {
        redis = await launch(socketPath, chosenGuard)
        startedAt = performance.now()
        log.warn({ redisPid: redis.pid }, 'the embedded Redis runs again')
      } catch (cause) {
        if (!stopping.signal.aborted)
          log.error({ err: cause }, 'the embedded Redis could not be started again')
      }
    }
  }

  async function end(deadline: Deadline): Promise<void> {
    await starting?.catch(() => {})
    const last = redis
    await last?.stop(deadline)
    await supervision
    redis = null
    if (!run || run.ended === 'cleanly') return
    await removePlace(run)
    if ((await last?.exited)?.code !== 0) return
    await record({ ...run, ended: 'cleanly' })
  }

  return {
    get url() {
      return urlOf({ path: current().socketPath })
    },
    get socketPath() {
      return current().socketPath
    },
    get pid() {
      return redis?.pid ?? null
    },
    get durabilityLost() {
      return current().lossPending
    },

    start() {
      stopping = new AbortController()
      return (starting = begin())
    },

    stop(deadline: Deadline) {
      stopping.abort()
      // A second call shares the end of the first, and hurries it when it has less time.
      if (ending) void redis?.stop(deadline)
      return (ending ??= end(deadline).finally(() => (ending = null)))
    },

    async lossHandled() {
      await record({ ...current(), lossPending: false })
    },

    onExit(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function inUse(dataDir: string): ConfigurationError {
  return new ConfigurationError([
    `DATA_DIR=${dataDir} is in use by another Lockstep, whose Redis writes there. Stop that one, or give this ` +
      `one a directory of its own, such as DATA_DIR=${dataDir}-2.`,
  ])
}

/** Everybody who can reach the socket is Redis' administrator, so no one but us may enter. */
async function makePrivate(directory: string, dataDir: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await chmod(directory, 0o700)
  } catch (cause) {
    const reason = messageOf(cause)
    throw new ConfigurationError([
      `DATA_DIR=${dataDir} cannot be used: ${reason}. Name a directory that this user may write to.`,
    ])
  }
}

/** Whether a server answers there and goes on to: one whose owner was killed needs a moment to go. */
async function staysInUse(socketPath: string): Promise<boolean> {
  const deadline = deadlineIn(lockWaitMs)
  while (await accepts({ path: socketPath }, deadlineIn(1_000))) {
    if (remaining(deadline) === 0) return true
    await pause(50)
  }
  return false
}

/** In the data directory, or in a private one with a short name when the system would refuse so long a path. */
async function placeForSocket(directory: string): Promise<SocketPlace> {
  const socketPath = join(directory, 'redis.sock')
  if (Buffer.byteLength(socketPath) <= longestSocketPath) return { socketPath, socketDirectory: null }
  const socketDirectory = await mkdtemp(join(tmpdir(), 'lockstep-'))
  return { socketPath: join(socketDirectory, 'redis.sock'), socketDirectory }
}

/**
 * Removes the directory that was made for a socket, unless it is in use: the record of a data directory that was
 * copied names the place of the original.
 */
async function removePlace({ socketPath, socketDirectory }: SocketPlace): Promise<void> {
  if (!socketDirectory || (await accepts({ path: socketPath }, deadlineIn(1_000)))) return
  await rm(socketPath, { force: true })
  await rmdir(socketDirectory).catch(() => {})
}
