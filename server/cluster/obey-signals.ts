/** What signals mean to a primary, and with which exit code it ends. */
import { exitCode, type Entry } from '../../shared/process/entry.ts'
import type { Deadline } from '../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../shared/telemetry/log.ts'

export interface SignalledPrimary {
  stop(deadline: Deadline): Promise<void>
  /** The longest that its workers take to stop gracefully. */
  readonly stopMs: number
  /** Replaces all workers one by one. */
  reload(): void
  /** Adds so many web workers, or takes some away. */
  addWebWorkers(count: number): void
  /** Said in the log when it begins to stop. */
  readonly facts: object
  /** Someone watches, who may press Ctrl-C. */
  readonly onTerminal: boolean
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
}

export interface Obeying {
  /** It was told to end: what fails from now on fails for that reason. */
  readonly isEnding: boolean
  /** Ends this process, because something broke in it. */
  endBroken(): void
}

/** What the primary has after the grace of its workers, to stop Redis and itself. */
const closingMs = 5_000
/** One Ctrl-C under `npm start` may arrive twice: npm passes on the signal that the terminal sent to all of us. */
const echoMs = 300
/** What a broken process has to let go of its requests. */
const brokenGraceMs = 2_000

/**
 * SIGTERM and SIGINT stop gracefully, a second SIGINT at once; SIGHUP and SIGUSR2 reload; SIGTTIN and SIGTTOU add a web
 * worker or take one away.
 */
export function obeySignals(entry: Pick<Entry, 'exit' | 'stopWithin'>, primary: SignalledPrimary): Obeying {
  const { log } = primary
  let ending = false
  let endingSince = 0
  /** Of several reasons to end, the most urgent is told. */
  let outcome: number = exitCode.stopped

  async function end(code: number, graceMs: number): Promise<void> {
    ending = true
    outcome = Math.max(outcome, code)
    await entry.stopWithin(graceMs, primary.stop).catch((err: unknown) => {
      log.error({ err }, 'the server did not stop cleanly')
      outcome = Math.max(outcome, exitCode.failed)
    })
    log.info('stopped')
    entry.exit(outcome)
  }

  function endGracefully(signal: NodeJS.Signals): void {
    if (ending) return
    endingSince = performance.now()
    log.info({ signal, ...primary.facts }, 'stopping')
    if (primary.onTerminal && signal === 'SIGINT')
      process.stdout.write('\n  Ctrl-C once more stops at once.\n\n')
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

  return {
    get isEnding() {
      return ending
    },
    endBroken: () => void end(exitCode.failed, brokenGraceMs),
  }
}
