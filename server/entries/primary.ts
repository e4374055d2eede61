import cluster from 'node:cluster'
import path from 'node:path'
import { loadConfig } from '../../shared/config/config.ts'
import type { Environment } from '../../shared/config/environment.ts'
import { ConfigurationError, messageOf } from '../../shared/kernel/errors.ts'
import { codeOf } from '../../shared/process/run-worker.ts'
import type { Entry } from '../../shared/process/entry.ts'
import { applicationFile } from '../../shared/process/assignment.ts'
import { readEnvFile } from '../../shared/process/env-file.ts'
import type { Service } from '../../shared/kernel/lifecycle.ts'
import { createLogger, type Logger } from '../../shared/telemetry/log.ts'
import { problemsText } from '../cluster/boot/announcements.ts'
import { availableCpus } from '../cluster/boot/available-cpus.ts'
import { checkInChild } from '../cluster/boot/check-application.ts'
import { obeySignals } from '../cluster/obey-signals.ts'
import { createPrimary } from '../cluster/primary.ts'
import { watchSources } from '../cluster/watch-sources.ts'
import type { ApplicationSummary } from './check-application.ts'

const notForked =
  'Another program forked this as a worker of its own, but the server forks its workers by itself. ' +
  'Start it alone, with WORKERS for the number of workers. (pm2 may fork it: that is its cluster mode.)'

export interface PrimaryEntry {
  readonly env: Environment
  /** The module of the application, if one is named. */
  readonly args: readonly string[]
  /** The module that web workers run. */
  readonly main: string
}

export async function runPrimary(entry: Entry, { env, args, main }: PrimaryEntry): Promise<void> {
  entry.onFatal((cause) => {
    const problems = cause instanceof ConfigurationError ? cause.problems : [messageOf(cause)]
    process.stderr.write(problemsText(problems))
    entry.exit(codeOf(cause))
  })
  readEnvFile()
  const file = applicationFile(env) ?? args.find((word) => word !== 'start' && word !== 'dev') ?? null
  const nodeArgs = nodeArgsFor(main)
  const application = file === null ? null : await inspect(file, { main, nodeArgs, env })
  const config = loadConfig(env, {
    cpus: availableCpus(),
    cwd: process.cwd(),
    ...(application
      ? { applicationVariables: application.variables, applicationName: application.name }
      : {}),
  })
  if (cluster.isWorker) throw new ConfigurationError([notForked])

  const pretty = process.stdout.isTTY
  const log = createLogger({ level: config.log.level, pretty, process: 'primary' })
  const primary = createPrimary({
    config,
    application: file,
    programs: {
      web: main,
      jobs: path.join(main, '..', '..', 'workers', `main${path.extname(main)}`),
      nodeArgs,
    },
    searchPath: env['PATH'] ?? '',
    log,
    say: (text) => void process.stdout.write(text),
  })

  const obeying = obeySignals(entry, {
    stop: primary.stop,
    stopMs: primary.stopMs,
    reload: primary.reload,
    addWebWorkers: primary.addWebWorkers,
    facts: { drainDelayMs: config.drainDelayMs, graceMs: config.graceMs },
    onTerminal: pretty,
    log,
  })

  try {
    await primary.start()
  } catch (cause) {
    // Stopped by a signal while starting: the handler of the signal ends the process.
    if (!obeying.isEnding) throw cause
  }
  if (args.includes('dev') && !obeying.isEnding) {
    const sources = reloadOnChange(file, main, primary.reload, log)
    await sources.start()
  }
  entry.onFatal((cause) => {
    log.fatal({ err: cause }, 'the primary broke and ends')
    obeying.endBroken()
  })
}

/**
 * What Node is told in the processes that load an application. Where they run the bundle, `import 'lockstep'` must find
 * the same bundle: else each process would load, and hold, the server's modules twice.
 */
function nodeArgsFor(main: string): string[] {
  const bundled = path.basename(path.join(main, '..', '..')) === 'bundle'
  return bundled ? [...process.execArgv, '--conditions=lockstep-bundle'] : process.execArgv
}

/** In development a saved change brings in new workers; while it is broken the old ones serve on. */
function reloadOnChange(file: string | null, main: string, reload: () => void, log: Logger): Service {
  const root = path.join(main, '..', '..')
  const directories =
    file === null
      ? ['server', 'workers', 'shared'].map((name) => path.join(root, name))
      : [path.dirname(path.resolve(file))]
  return watchSources({
    directories,
    onChange(changed) {
      log.info({ file: changed }, 'a file was saved: reloading')
      reload()
    },
    onFailure: (err) => log.warn({ err }, 'changes of files are not seen any more: reload by hand'),
  })
}

/** Throws a `ConfigurationError` with everything that is wrong with the application and its variables, ours included. */
async function inspect(
  file: string,
  { main, nodeArgs, env }: Pick<PrimaryEntry, 'main' | 'env'> & { nodeArgs: readonly string[] },
): Promise<ApplicationSummary> {
  const program = path.join(main, '..', 'entries', `check${path.extname(main)}`)
  const { summary, problems } = await checkInChild({ program, nodeArgs, file, env })
  if (summary === null || problems.length > 0) throw new ConfigurationError(problems)
  return summary
}
