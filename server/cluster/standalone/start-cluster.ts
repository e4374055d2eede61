/**
 * The primary for any other server: the supervision, the signals and the exit codes of our own primary, and
 * nothing of what only our server needs (accounts, a data directory, Redis).
 */
import cluster from 'node:cluster'
import { hostname } from 'node:os'
import { ConfigurationError, messageOf } from '../../../shared/kernel/errors.ts'
import { deadlineIn } from '../../../shared/kernel/lifecycle.ts'
import type { WorkerStatus } from '../../../shared/process/control-request.ts'
import { openEntry, type Entry } from '../../../shared/process/entry.ts'
import { codeOf } from '../../../shared/process/run-worker.ts'
import { createLogger, type Logger } from '../../../shared/telemetry/log.ts'
import { problemsText } from '../boot/announcements.ts'
import { createControl, type Control } from '../control/control.ts'
import { obeySignals } from '../obey-signals.ts'
import { passOnJobs } from '../supervision/departures.ts'
import { Supervisor, type WorkerKind } from '../supervision/supervisor.ts'
import { workerStatuses } from '../supervision/worker-status.ts'
import { checkOptions, type CheckedOptions, type ClusterOptions } from './options.ts'

/** A worker as it is now. */
export type ClusterWorker = Pick<
  WorkerStatus,
  'id' | 'kind' | 'pid' | 'state' | 'startedAt' | 'eventLoopLagMs' | 'rssBytes'
>

export interface Cluster {
  /**
   * Replaces all workers, `parallel` at a time (default 1): a new one is ready before the old one finishes what is under
   * way and ends. Resolves with how many were replaced; rejects with `ReloadAborted` when a new one can't start, and
   * those of before go on.
   */
  reload(options?: { readonly parallel?: number }): Promise<number>
  /** Changes how many workers there are. Resolves when the new ones are ready and the surplus has ended. */
  scale(counts: { readonly web?: number; readonly jobs?: number }): Promise<void>
  /** Has one worker (`web-2`) finish, and a new one take its place first. */
  drain(id: string): Promise<void>
  /** The workers that there are, and the places that wait for one. */
  workers(): ClusterWorker[]
  /** Stops all workers gracefully; at `graceMs` (default: as configured) they are killed. */
  stop(graceMs?: number): Promise<void>
}

const defaultGraceMs = 15_000
const webNeeded = 'a web worker has to call joinCluster({ server })'

/**
 * Forks the workers and keeps them alive. Resolves when all are ready; rejects, and leaves none behind, when one can't
 * start. To be called once, by the program that is started.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const entry = options?.signals === false ? null : openPrimaryEntry()
  const checked = checkOptions(options)
  if (cluster.isWorker) throw new ConfigurationError([inWorker])
  const { graceMs = defaultGraceMs, drainDelayMs = 0 } = checked
  const pretty = process.stdout.isTTY
  const log =
    (checked.log as Logger | undefined) ?? createLogger({ level: 'info', pretty, process: 'primary' })
  const inheritance = passOnJobs(() => supervisor.workers())
  const supervisor: Supervisor = new Supervisor({
    kinds: kindsOf(checked),
    graceMs,
    drainDelayMs,
    scheduling: checked.scheduling ?? 'round-robin',
    recycle: { maxRssBytes: checked.maxRssBytes ?? null, maxAgeMs: checked.maxAgeMs ?? null },
    ...(checked.bootTimeoutMs === undefined ? {} : { bootTimeoutMs: checked.bootTimeoutMs }),
    ...(checked.hungAfterMs === undefined ? {} : { hungAfterMs: checked.hungAfterMs }),
    answer: (request) => control.answerWorker(request),
    onReady: inheritance.onReady,
    onExit: inheritance.onExit,
    log,
  })
  const control: Control = createControl({
    supervisor,
    hosts: { all: async () => workerStatuses(supervisor, hostname()) },
    host: hostname(),
    // There are no pages here that would show how it was a minute ago.
    recent: { everyMs: 0, workers: () => [] },
    redis: null,
    objection: async () => null,
    log,
  })

  async function stop(deadline: number): Promise<void> {
    await supervisor.announceStop(deadline)
    await supervisor.stop(deadline)
  }

  const stopMs = drainDelayMs + graceMs
  const obeying =
    entry &&
    obeySignals(entry, {
      stop,
      stopMs,
      reload: () => void control.answer({ command: 'reload' }),
      addWebWorkers: (count) => void control.addWebWorkers(count),
      facts: { drainDelayMs, graceMs },
      onTerminal: pretty,
      log,
    })
  try {
    await supervisor.start()
  } catch (cause) {
    // Stopped by a signal while starting: that ends the process.
    if (obeying?.isEnding) return new Promise(() => {})
    throw new Error(explained(cause, checked), { cause })
  }
  entry?.onFatal((cause) => {
    log.fatal({ err: cause }, 'the primary broke and ends')
    obeying?.endBroken()
  })
  log.info({ workers: checked.workers, jobWorkers: supervisor.count('jobs') }, 'all workers are ready')

  return {
    reload: ({ parallel = 1 } = {}) => supervisor.reload(() => {}, parallel),
    async scale({ web, jobs }) {
      if (web !== undefined) await supervisor.scale('web', web)
      if (jobs !== undefined) await supervisor.scale('jobs', jobs)
    },
    drain: (id) => supervisor.drain(id),
    workers: () => workerStatuses(supervisor, hostname()).map(asWorker),
    stop: (withinMs = stopMs) => stop(deadlineIn(withinMs)),
  }
}

const inWorker =
  'startCluster was called in a worker. The program that calls it is the primary, and web names another program, which ' +
  'calls joinCluster. (Under pm2, start the primary in fork mode: it forks the workers itself.)'

function kindsOf({ web, workers, jobs, jobWorkers, env = {} }: CheckedOptions): WorkerKind[] {
  return [
    { role: 'web', count: workers, exec: web, env },
    ...(jobs === null ? [] : [{ role: 'jobs', count: jobWorkers, exec: jobs, env } as const]),
  ]
}

/** This process is the primary and nothing else: it ends as ours does. */
function openPrimaryEntry(): Entry {
  const entry = openEntry()
  entry.onFatal((cause) => {
    const problems = cause instanceof ConfigurationError ? cause.problems : [messageOf(cause)]
    process.stderr.write(problemsText(problems, 'The cluster'))
    entry.exit(codeOf(cause))
  })
  return entry
}

/** A worker that never says that it is ready mostly has nothing in it that would. */
function explained(cause: unknown, { web }: CheckedOptions): string {
  const message = messageOf(cause)
  return /was not ready within|it ended \(exit code 0\)/.test(message)
    ? `${message}. Does ${web} call joinCluster? ${webNeeded}`
    : message
}

function asWorker({
  id,
  kind,
  pid,
  state,
  startedAt,
  eventLoopLagMs,
  rssBytes,
}: WorkerStatus): ClusterWorker {
  return { id, kind, pid, state, startedAt, eventLoopLagMs, rssBytes }
}
