/**
 * The life of a worker process, of either role and whoever started it: it says why it can't start, says when it is ready,
 * and stops when it is told to.
 */
import { ConfigurationError, messageOf } from '../kernel/errors.ts'
import type { Service } from '../kernel/lifecycle.ts'
import type { Logger, LogOptions } from '../telemetry/log.ts'
import type { Heartbeat } from './messages.ts'
import { exitCode, ignoreSignals, type Entry } from './entry.ts'
import { connectToPrimary, type AskPrimary } from './primary-handle.ts'
import { watchForStalls } from './stalls/stall-watch.ts'
import { startHeartbeat, type Vitals } from './vitals.ts'

export interface RunnableWorker extends Service {
  readonly port?: number
  readonly memberId?: string
  /** The server will stop soon, and balancers are to know. */
  announceStop?(): void
  /** A worker of this host has certainly died, and this one may go on with what it had. */
  takeOver?(worker: string): Promise<void>
  /** Asked with each heartbeat. */
  vitals?(): Omit<Heartbeat, keyof Vitals>
}

export interface OpenedWorker {
  readonly worker: RunnableWorker
  readonly log: Logger
  readonly logOptions: LogOptions
  /** What it gets to stop when no one says how long. */
  readonly graceMs: number
}

/** Who started this process, and looks after it. */
export interface Host {
  /** Passes on why it could not start. */
  failed(reason: string): Promise<void>
  /** The worker is to stop, in its own time or in `graceMs`. May be said again, with less time. */
  onStop(listener: (graceMs?: number) => void): void
  ready(opened: OpenedWorker): void
  /** Everything has stopped: resolves when the process may end. */
  leave(): Promise<void>
}

/** What a broken process has to let go of its work. */
const brokenGraceMs = 2_000
/** How long an event loop may stand still before it is told where; the primary waits longer before it kills. */
const stallMs = 5_000

export async function runWorker(entry: Entry, host: Host, open: () => Promise<OpenedWorker>): Promise<void> {
  entry.onFatal((cause) => {
    void host.failed(reasonOf(cause)).finally(() => entry.exit(codeOf(cause)))
  })
  const opened = await open()
  const { worker, log, graceMs } = opened
  let ending = false

  async function end(code: number, withinMs: number): Promise<void> {
    ending = true
    await entry.stopWithin(withinMs, worker.stop).catch((err: unknown) => {
      log.error({ err }, 'the worker did not stop cleanly')
    })
    await host.leave()
    entry.exit(code)
  }

  host.onStop((withinMs = graceMs) => void end(exitCode.stopped, withinMs))
  try {
    await worker.start()
  } catch (cause) {
    // Stopped while starting: what stops it ends the process.
    if (!ending) throw cause
    return
  }
  entry.onFatal((cause) => {
    log.fatal({ err: cause }, 'the worker broke and ends')
    void end(exitCode.failed, brokenGraceMs)
  })
  host.ready(opened)
}

function reasonOf(cause: unknown): string {
  return cause instanceof ConfigurationError ? cause.problems.join('\n') : messageOf(cause)
}

export function codeOf(cause: unknown): number {
  return cause instanceof ConfigurationError ? exitCode.misconfigured : exitCode.failed
}

/** Of a worker that holds no sessions and answers no requests. */
const nothingSpecial = { leaseMs: null, cachedSessions: null, requests: null, revocationMs: null }

/** Our primary, which forked this process and says what it wants over a channel. */
export function supervised(entry: Entry): Host & { readonly ask: AskPrimary } {
  const primary = connectToPrimary(process)
  // A terminal or a script may send a signal to all of us at once: the primary decides what it means for each worker.
  ignoreSignals('SIGINT', 'SIGHUP', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU')

  return {
    ask: primary.ask,
    failed: primary.failed,
    onStop(listener) {
      process.on('SIGTERM', () => listener())
      primary.onStop(listener)
    },
    ready({ worker, log, logOptions }) {
      primary.onGone(() => {
        log.error('the primary has vanished, and this worker with it')
        entry.exit(exitCode.failed)
      })
      watchForStalls({ log: logOptions, afterMs: stallMs })
      startHeartbeat((vitals) => primary.heartbeat({ ...nothingSpecial, ...vitals, ...worker.vitals?.() }))
      primary.onDeparted((name) => {
        worker.takeOver?.(name).catch((err: unknown) => {
          log.warn({ err, worker: name }, 'the jobs of a dead worker wait until its locks have run out')
        })
      })
      primary.onStopAhead(() => worker.announceStop?.())
      primary.ready({ port: worker.port ?? null, memberId: worker.memberId ?? null })
    },
    leave: primary.leave,
  }
}

/** Someone else: a person, a container or pm2, who sends signals. */
export function alone(fail: (reason: string) => void): Host {
  return {
    async failed(reason) {
      fail(reason)
    },
    onStop(listener) {
      let told = false
      const stop = () => {
        if (!told) listener()
        told = true
      }
      process.on('SIGINT', stop)
      process.on('SIGTERM', stop)
      process.on('message', (message) => {
        if (message === 'shutdown') stop()
      })
    },
    ready({ log }) {
      log.info('worker is ready')
      // This is what pm2's `wait_ready` waits for: from now on it may end the process that this one replaces.
      process.send?.('ready')
    },
    async leave() {},
  }
}
