/**
 * What every process of ours has in common: how it ends, and with which code. Imported first and alone, so that a module
 * that can't be loaded ends the process with a reason.
 */
import { openFilesProblem } from './open-files.ts'

export const exitCode = { stopped: 0, failed: 1, misconfigured: 78, interrupted: 130 } as const

/** This process. */
export interface Entry {
  /** What happens on an uncaught error, from now on: replaced as the process learns to end more gently. */
  onFatal(handler: (cause: unknown) => void): void
  /** Ends the process as an uncaught error does. */
  fail(cause: unknown): void
  exit(code: number): void
  /** Stops what promises to keep the deadline, and does not hang when it breaks the promise. */
  stopWithin(graceMs: number, stop: (deadline: number) => Promise<void>): Promise<void>
}

export function openEntry(): Entry {
  // Stack traces name lines of the sources. A map is read only when a stack is printed: starting costs nothing.
  process.setSourceMapsEnabled(true)
  let fatal = (cause: unknown): void => {
    process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
    process.exit(exitCode.failed)
  }
  process.on('uncaughtException', (cause) => fatal(cause))
  process.on('unhandledRejection', (cause) => fatal(cause))
  // A full disk, or a reader that went away, is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  // Before anything is loaded: with too few files the reason would be that some package can't be found.
  const tooFewFiles = openFilesProblem()
  if (tooFewFiles !== null) {
    process.stderr.write(`\nLockstep can't start:\n  - ${tooFewFiles}\n\n`)
    process.exit(exitCode.misconfigured)
  }

  return {
    onFatal(handler) {
      fatal = handler
    },
    fail: (cause) => fatal(cause),
    exit: (code) => process.exit(code),
    async stopWithin(graceMs, stop) {
      const patience = setTimeout(() => process.exit(exitCode.failed), graceMs + 1_000)
      await stop(performance.now() + graceMs).finally(() => clearTimeout(patience))
    },
  }
}

/** Signals that would end or stop a process that does not listen to them: from now on they do nothing. */
export function ignoreSignals(...signals: readonly NodeJS.Signals[]): void {
  for (const signal of signals) process.on(signal, () => {})
}
