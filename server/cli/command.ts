import type { App } from '../../shared/app/app.ts'
import type { Environment } from '../../shared/config/environment.ts'
import type { Config } from '../../shared/config/config.ts'
import type { Output } from './output.ts'
import type { Questions } from './questions.ts'

/** One command of `lockstep`: a file in commands/, listed in commands.ts. */
export interface Command {
  readonly name: string
  /** Each way to write it, as in `scale --web N`. */
  readonly usages: readonly [string, ...string[]]
  readonly summary: string
  /**
   * Throws a `UsageError`, a `CommandFailed` or `Interrupted`; `failed` or `misconfigured` when what it has told is a
   * failure already.
   */
  run(call: CommandCall): Promise<void | 'failed' | 'misconfigured'>
}

export interface CommandCall {
  /** What follows the name, without what every command understands (`--json`, `--help`). */
  readonly args: readonly string[]
  readonly environment: Environment
  /** The application whose server it is about; null: none was named. */
  readonly app: App | null
  /** Reads the environment; throws a `ConfigurationError`. */
  config(): Config
  /** Where programs are looked for, in the form of PATH. */
  readonly searchPath: string
  readonly output: Output
  readonly questions: Questions
}

/** Said where a name is not known that an application may have. */
export function whereOthersAre({ app }: Pick<CommandCall, 'app'>): string {
  return app === null ? '. Those of an application are known with --app FILE' : ''
}

/** The command was not written as it should be. Exit code 2. */
export class UsageError extends Error {}

/** It could not be done; the message says what to do about it. Exit code 1. */
export class CommandFailed extends Error {
  readonly code: string

  constructor(message: string, code = 'failed') {
    super(message)
    this.code = code
  }
}

/** Ctrl-C at a question: no one needs to be told why it ends. Exit code 130, as a shell has it for SIGINT. */
export class Interrupted extends Error {}
