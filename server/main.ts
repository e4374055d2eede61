/**
 * The entry of the primary and of every web worker, and the only place of the server that knows the environment,
 * signals and exit codes. What it runs is imported after its handlers are installed: a module that can't be loaded
 * must end the process with a reason, and pm2 would swallow that.
 */
import cluster, { type Worker } from 'node:cluster'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const exitCode = { stopped: 0, failed: 1, misconfigured: 78, interrupted: 130 } as const

/** What happens on an error that nobody caught. Replaced as the process learns to end more gently. */
let fatal = (cause: unknown): void => {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  process.exit(exitCode.failed)
}
process.on('uncaughtException', (cause) => fatal(cause))
process.on('unhandledRejection', (cause) => fatal(cause))
// A full disk, or a reader that went away, is no reason to end.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
// Unhandled they would end or stop the process: one that comes during the first moments of the start does nothing.
for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU'] as const) process.on(signal, () => {})

/** What the primary has after the grace of its workers, to stop Redis and itself. */
const closingMs = 5_000
/** One Ctrl-C under `npm start` may arrive twice: npm passes on the signal that the terminal sent to all of us. */
const echoMs = 300
/** What a broken process has to let go of its requests. */
const brokenGraceMs = 2_000
/** How long an event loop may stand still before it is told where; the primary waits longer before it kills. */
const stallMs = 5_000

const { readAssignment } = await import('../shared/process/assignment.ts')
const { loadConfig } = await import('../shared/config/config.ts')
const { ConfigurationError, messageOf } = await import('../shared/kernel/errors.ts')
const { deadlineIn } = await import('../shared/kernel/lifecycle.ts')
const { openFilesProblem } = await import('../shared/process/open-files.ts')
const { openTracing } = await import('../shared/telemetry/tracing/tracing.ts')

const notForked =
  'Another program forked this as a worker of its own, but the server forks its workers by itself. ' +
  'Start it alone, with WORKERS for the number of workers. (pm2 may fork it: that is its cluster mode.)'

const pretty = process.stdout.isTTY
const main = fileURLToPath(import.meta.url)
const programs = { web: main, jobs: path.join(main, '..', '..', 'workers', `main${path.extname(main)}`) }
const assignment = readAssignment(process.env)

try {
  if (cluster.worker && assignment) await runWebWorker(cluster.worker, assignment.slot)
  else if (cluster.isWorker && process.env.pm_id !== undefined) await runUnderPm2(Number(process.env.pm_id))
  else await runPrimary()
} catch (cause) {
  fatal(cause)
}

async function runPrimary(): Promise<void> {
  fatal = await refusal()
  requireOpenFiles()
  const { availableCpus } = await import('./cluster/boot/available-cpus.ts')
  const { createLogger } = await import('../shared/telemetry/log.ts')
  const { createPrimary } = await import('./cluster/primary.ts')

  const config = loadConfig(process.env, { cpus: availableCpus(), cwd: process.cwd() })
  if (cluster.isWorker) throw new ConfigurationError([notForked])

  const log = createLogger({ level: config.log.level, pretty, process: 'primary' })
  const primary = createPrimary({
    config,
    programs,
    searchPath: process.env.PATH ?? '',
    log,
    say: (text) => void process.stdout.write(text),
  })

  let ending = false
  let endingSince = 0
  /** Of several reasons to end, the most urgent is told. */
  let outcome: number = exitCode.stopped
  async function end(code: number, graceMs: number): Promise<void> {
    ending = true
    outcome = Math.max(outcome, code)
    await stopWithin(graceMs, primary.stop).catch((err: unknown) => {
      log.error({ err }, 'the server did not stop cleanly')
      outcome = Math.max(outcome, exitCode.failed)
    })
    log.info('stopped')
    process.exit(outcome)
  }

  function endGracefully(signal: NodeJS.Signals): void {
    if (ending) return
    endingSince = performance.now()
    log.info({ signal, drainDelayMs: config.drainDelayMs, graceMs: config.graceMs }, 'stopping')
    if (pretty && signal === 'SIGINT') process.stdout.write('\n  Ctrl-C once more stops at once.\n\n')
    void end(exitCode.stopped, primary.stopMs + closingMs)
  }
  process.on('SIGTERM', endGracefully)
  process.on('SIGINT', (signal) => {
    if (!ending) return endGracefully(signal)
    if (performance.now() - endingSince < echoMs) return
    log.warn('stopping at once')
    void end(exitCode.interrupted, 0)
  })

  process.on('SIGHUP', primary.reload)
  process.on('SIGUSR2', primary.reload)
  process.on('SIGTTIN', () => primary.addWebWorkers(1))
  process.on('SIGTTOU', () => primary.addWebWorkers(-1))

  try {
    await primary.start()
  } catch (cause) {
    // Stopped by a signal while starting: the handler of the signal ends the process.
    if (!ending) throw cause
  }
  fatal = (cause) => {
    log.fatal({ err: cause }, 'the primary broke and ends')
    void end(exitCode.failed, brokenGraceMs)
  }
}

async function runWebWorker(self: Worker, slot: number): Promise<void> {
  const { connectToPrimary } = await import('../shared/process/primary-handle.ts')
  const primary = connectToPrimary(self)
  fatal = (cause) => void primary.failed(messageOf(cause)).finally(() => process.exit(exitCode.failed))
  // A terminal or a script may send a signal to all of us at once: the primary decides what it means for us.
  process.on('SIGINT', () => {})

  const { config, ...application } = await loadApplication()
  const logOptions = { level: config.log.level, pretty, process: 'web', worker: String(slot) } as const
  const { log, tracing } = await openTracing(config, logOptions)
  primary.onGone(() => {
    log.error('the primary has vanished, and this worker with it')
    process.exit(exitCode.failed)
  })

  const { createWebWorker } = await import('./web/worker.ts')
  const { assignedSpace } = await import('../shared/deployment/assigned-space.ts')
  const { deploymentKeys } = await import('../shared/deployment/deployment-keys.ts')
  const { watchForStalls } = await import('../shared/process/stalls/stall-watch.ts')
  const { startHeartbeat } = await import('../shared/process/vitals.ts')
  const worker = createWebWorker({
    config,
    keys: deploymentKeys(assignedSpace(process.env)),
    slot,
    log,
    ...application,
    ...(config.metrics ? { metrics: process } : {}),
    ...(tracing ? { tracing } : {}),
    primary: primary.ask,
    onFatal: (cause) => fatal(cause),
  })
  await worker.start()

  async function end(code: number, graceMs: number): Promise<void> {
    await stopWithin(graceMs, worker.stop).catch((err: unknown) => {
      log.error({ err }, 'the worker did not stop cleanly')
    })
    await primary.leave()
    process.exit(code)
  }
  fatal = (cause) => {
    log.fatal({ err: cause }, 'the worker broke and ends')
    void end(exitCode.failed, brokenGraceMs)
  }
  process.on('SIGTERM', () => void end(exitCode.stopped, config.graceMs))
  primary.onStopAhead(worker.announceStop)
  primary.onStop((graceMs) => void end(exitCode.stopped, graceMs))
  watchForStalls({ log: logOptions, afterMs: stallMs })
  startHeartbeat((vitals) => primary.heartbeat({ ...vitals, ...worker.vitals() }))
  primary.ready(worker)
}

/**
 * One of the processes of pm2's cluster mode. pm2 numbers all its processes; `pm_id` is kept by the replacement of a
 * process, NODE_APP_INSTANCE may be given twice.
 */
async function runUnderPm2(pmId: number): Promise<void> {
  fatal = await refusal()
  requireOpenFiles()
  const { config, ...application } = await loadApplication({ pm2Cluster: true })
  const slot = pmId + 1
  const { log, tracing } = await openTracing(config, {
    level: config.log.level,
    pretty,
    process: 'web',
    worker: String(slot),
    // pm2 takes what is written to the stream; the file descriptor is that of its daemon.
    stream: process.stdout,
  })

  const { createLoneWorker } = await import('./cluster/pm2/lone-worker.ts')
  const worker = createLoneWorker({
    config,
    slot,
    log,
    ...application,
    ...(tracing ? { tracing } : {}),
    say: (text) => void process.stdout.write(text),
    onFatal: (cause) => fatal(cause),
  })

  let ending = false
  async function end(code: number, graceMs: number): Promise<void> {
    if (ending) return
    ending = true
    await stopWithin(graceMs, worker.stop).catch((err: unknown) => {
      log.error({ err }, 'the worker did not stop cleanly')
    })
    process.exit(code)
  }
  const endGracefully = () => void end(exitCode.stopped, config.graceMs)
  process.on('SIGINT', endGracefully)
  process.on('SIGTERM', endGracefully)
  process.on('message', (message) => {
    if (message === 'shutdown') endGracefully()
  })

  try {
    await worker.start()
  } catch (cause) {
    // Stopped by a signal while starting: the handler of the signal ends the process.
    if (!ending) throw cause
    return
  }
  fatal = (cause) => {
    log.fatal({ err: cause }, 'the worker broke and ends')
    void end(exitCode.failed, brokenGraceMs)
  }
  log.info({ slot }, 'worker is ready')
  // This is what `wait_ready` waits for: from now on pm2 may end the process that this one replaces.
  process.send?.('ready')
}

/** What this worker serves, and its configuration. */
async function loadApplication(facts: { pm2Cluster?: boolean } = {}) {
  const { loadForWorker } = await import('../shared/app/load-for-worker.ts')
  return loadForWorker(process.env, { ...facts, cwd: process.cwd() })
}

/** Where modules are loaded: with too few files the reason would be that some package can't be found. */
function requireOpenFiles(): void {
  const tooFew = openFilesProblem()
  if (tooFew !== null) throw new ConfigurationError([tooFew])
}

/** Ends a process that can't start, with every reason. */
async function refusal(): Promise<(cause: unknown) => void> {
  const { problemsText } = await import('./cluster/boot/announcements.ts')
  return (cause) => {
    const misconfigured = cause instanceof ConfigurationError
    process.stderr.write(problemsText(misconfigured ? cause.problems : [messageOf(cause)]))
    process.exit(misconfigured ? exitCode.misconfigured : exitCode.failed)
  }
}

/** Stops what promises to keep the deadline, and does not hang when it breaks the promise. */
async function stopWithin(graceMs: number, stop: (deadline: number) => Promise<void>): Promise<void> {
  const patience = setTimeout(() => process.exit(exitCode.failed), graceMs + 1_000)
  await stop(deadlineIn(graceMs)).finally(() => clearTimeout(patience))
}
