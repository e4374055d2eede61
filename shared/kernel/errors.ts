/** The outside parts that a request depends on and that can be away. */
export type Dependency = 'redis' | 'database' | 'accounts' | 'mail'

/**
 * A dependency could not be asked, or did not answer within its bound. It is never an answer: code that
 * catches this must not conclude that a session, an account or a job does not exist.
 */
export class Unavailable extends Error {
  readonly status = 503
  readonly dependency: Dependency
  /** When asking again is worth it. */
  readonly retryAfterSeconds: number

  constructor(dependency: Dependency, options: { cause?: unknown; retryAfterSeconds?: number } = {}) {
    super(`${dependency} can't be asked right now`, { cause: options.cause })
    this.name = 'Unavailable'
    this.dependency = dependency
    this.retryAfterSeconds = options.retryAfterSeconds ?? 1
  }
}

/** The configuration, or the surroundings that it names, cannot work: nothing was started. Exit code 78. */
export class ConfigurationError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigurationError'
    this.problems = problems
  }
}

/** It is used before `start()`, or after `stop()`: nothing was decided. A fault of the program, and never an absence. */
export class NotStarted extends Error {
  readonly status = 503

  constructor(name: string, what = 'the sessions') {
    super(
      `${what} of ${JSON.stringify(name)} are not started: call and await start() before the first request`,
    )
    this.name = 'NotStarted'
  }
}

/** What was thrown, in words: anything can be. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
