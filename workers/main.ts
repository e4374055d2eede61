/**
 * The entry of a job worker, and the only place of the workers that knows the environment, signals and exit codes.
 * The primary forks it and tells it when to stop; run by hand or by pm2, with REDIS_URL, it stops on a signal.
 */
import type { Config, RedisTarget } from '../shared/config/config.ts'
import type { DeploymentKeys } from '../shared/deployment/deployment-keys.ts'

const exitCode = { stopped: 0, failed: 1, misconfigured: 78 } as const

/** What happens on an error that nobody caught. Replaced as the process learns to end more gently. */
let fatal = (cause: unknown): void => {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  process.exit(exitCode.failed)
}
process.on('uncaughtException', (cause) => fatal(cause))
process.on('unhandledRejection', (cause) => fatal(cause))
// A full disk, or a reader that went away, is no reason to end.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

/** What a broken process has to hand over its jobs. */
const brokenGraceMs = 2_000
/** How long an event loop may stand still before it is told where; the primary waits longer before it kills. */
const stallMs = 5_000
// What a terminal or a script may send to all of us at once: the primary decides what it means for each worker. Before
// anything is loaded, since unhandled they would end or stop the process.
const primarySignals = process.send ? (['SIGHUP', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU'] as const) : []
for (const signal of primarySignals) process.on(signal, () => {})

const { assignedSpace } = await import('../shared/deployment/assigned-space.ts')
const { processName, readAssignment } = await import('../shared/process/assignment.ts')
const { parsePrimaryMessage } = await import('../shared/process/messages.ts')
const { loadConfig } = await import('../shared/config/config.ts')
const { ConfigurationError, messageOf } = await import('../shared/kernel/errors.ts')
const { deadlineIn } = await import('../shared/kernel/lifecycle.ts')
const { watchForStalls } = await import('../shared/process/stalls/stall-watch.ts')
const { openFilesProblem } = await import('../shared/process/open-files.ts')
const { openTracing } = await import('../shared/telemetry/tracing/tracing.ts')
const { startHeartbeat } = await import('../shared/process/vitals.ts')

const assignment = readAssignment(process.env)
/** pm2 has a channel to each of its processes too, but stops them by a signal. */
const underPm2 = assignment === null && process.env.pm_id !== undefined
const forked = process.send !== undefined && !underPm2

try {
  await run()
} catch (cause) {
  fatal(cause)
}

async function run(): Promise<void> {
  fatal = (cause) => void sayFailed(cause).then(() => process.exit(codeOf(cause)))
  const tooFewFiles = openFilesProblem()
  if (tooFewFiles !== null) throw new ConfigurationError([tooFewFiles])
  if (forked) process.on('SIGINT', () => {})

  const config = loadConfig(process.env, { cwd: process.cwd() })
  if (config.redis.kind === 'embedded') {
    throw new ConfigurationError(['REDIS_URL is not set: a job worker of its own needs a Redis of its own'])
  }
  const slot = assignment?.slot ?? 1
  const logOptions = {
    level: config.log.level,
    pretty: process.stdout.isTTY,
    process: 'jobs',
    worker: String(slot),
  } as const
  const { log, tracing } = await openTracing(config, logOptions)
  if (forked) {
    process.on('disconnect', () => {
      log.error('the primary has vanished, and this worker with it')
      process.exit(exitCode.failed)
    })
  }

  const { createJobWorker } = await import('./worker.ts')
  const keys = await ownKeys(config, config.redis)
  const worker = createJobWorker({
    config,
    slot,
    ...(assignment ? { name: processName(assignment) } : {}),
    keys,
    log,
    ...(forked && config.metrics ? { metrics: process } : {}),
    ...(tracing ? { tracing } : {}),
  })
  await worker.start()

  async function end(code: number, graceMs: number): Promise<void> {
    const patience = setTimeout(() => process.exit(exitCode.failed), graceMs + 1_000)
    await worker.stop(deadlineIn(graceMs)).catch((err: unknown) => {
      log.error({ err }, 'the worker did not stop cleanly')
    })
    clearTimeout(patience)
    process.exit(code)
  }
  fatal = (cause) => {
    log.fatal({ err: cause }, 'the worker broke and ends')
    void end(exitCode.failed, brokenGraceMs)
  }
  process.on('SIGTERM', () => void end(exitCode.stopped, config.jobGraceMs))
  if (!forked) process.on('SIGINT', () => void end(exitCode.stopped, config.jobGraceMs))
  process.on('message', (message) => {
    const graceMs = graceOf(message)
    if (graceMs !== null) void end(exitCode.stopped, graceMs)
    const told = parsePrimaryMessage(message)
    if (told?.type === 'departed') {
      worker.takeOver(told.worker).catch((err: unknown) => {
        log.warn({ err, worker: told.worker }, 'the jobs of a dead worker wait until its locks have run out')
      })
    }
  })
  if (forked) {
    process.send?.({ type: 'ready', port: null })
    watchForStalls({ log: logOptions, afterMs: stallMs })
    startHeartbeat((vitals) => process.send?.({ type: 'heartbeat', ...vitals }))
  }
  log.info('ready')
}

/** Where our keys are: the primary says so to those that it forks. */
async function ownKeys(
  config: Config,
  target: Exclude<RedisTarget, { kind: 'embedded' }>,
): Promise<DeploymentKeys> {
  const { deploymentKeys } = await import('../shared/deployment/deployment-keys.ts')
  if (assignment) return deploymentKeys(assignedSpace(process.env))
  const { openDeployment } = await import('../shared/deployment/open-deployment.ts')
  return (await openDeployment(config, target)).keys
}

/** The time to stop in, when that is what the primary says. */
function graceOf(message: unknown): number | null {
  const { type, graceMs } = (message ?? {}) as { type?: unknown; graceMs?: unknown }
  return type === 'stop' && typeof graceMs === 'number' && graceMs >= 0 ? graceMs : null
}

/** Tells whoever started us why we can't do our work. */
async function sayFailed(cause: unknown): Promise<void> {
  const reason = messageOf(cause)
  if (!forked) return void process.stderr.write(`${reason}\n`)
  await new Promise((resolve) => process.send?.({ type: 'failed', reason }, resolve))
}

function codeOf(cause: unknown): number {
  return cause instanceof ConfigurationError ? exitCode.misconfigured : exitCode.failed
}
