export interface Mutant {
  /** Which rule is gone. */
  readonly rule: string
  readonly file: string
  /** What stands in the file, exactly once, and what stands there instead. */
  readonly before: string
  readonly after: string
  /** The files that must fail, and mocha's `--grep` to narrow them down. */
  readonly tests: readonly string[]
  readonly grep?: string
}

export const mutants: readonly Mutant[]
