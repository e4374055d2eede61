import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { reporters, Runner, type MochaOptions, type Runnable, type Suite } from 'mocha'

const { EVENT_RUN_END, EVENT_SUITE_BEGIN, EVENT_SUITE_END, EVENT_TEST_FAIL, EVENT_TEST_PASS } =
  Runner.constants

interface Options {
  /** Where the outcome of each file is written as JSON: the runner adds them up. */
  readonly totals?: string
  /** The lot that this process runs beside others: a line for each suite says which. Without it, one for each test. */
  readonly lot?: string
}

/** Mocha's report, short when several processes share the terminal; failures are always told in full. */
export default class TotalsReporter extends reporters.Base {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options)
    const { totals, lot } = (options.reporterOptions ?? {}) as Options
    // A reporter listens from its constructor on, and nobody needs the instance.
    if (lot === undefined) void new reporters.Spec(runner, options)
    else this.reportSuites(runner, lot)
    const outcomes: Record<string, { passes: number; failures: number }> = {}
    const count = (test: Runnable, what: 'passes' | 'failures') => {
      const outcome = (outcomes[fileOf(test)] ??= { passes: 0, failures: 0 })
      outcome[what]++
    }
    runner.on(EVENT_TEST_PASS, (test: Runnable) => count(test, 'passes'))
    runner.on(EVENT_TEST_FAIL, (test: Runnable) => count(test, 'failures'))
    runner.once(EVENT_RUN_END, () => {
      if (lot !== undefined && this.failures.length > 0) reporters.Base.list(this.failures)
      if (totals) writeFileSync(totals, JSON.stringify(outcomes))
    })
  }

  private reportSuites(runner: Runner, lot: string): void {
    let begun = 0
    let passed = 0
    let failed = 0
    runner.on(EVENT_SUITE_BEGIN, (suite: Suite) => {
      if (!isOutermost(suite)) return
      begun = performance.now()
      passed = failed = 0
    })
    runner.on(EVENT_TEST_PASS, () => passed++)
    runner.on(EVENT_TEST_FAIL, () => failed++)
    runner.on(EVENT_SUITE_END, (suite: Suite) => {
      if (!isOutermost(suite)) return
      const seconds = ((performance.now() - begun) / 1_000).toFixed(1)
      const outcome = failed > 0 ? `✘ ${failed} failed, ${passed} passed` : `✔ ${passed} passed`
      reporters.Base.consoleLog(`${lot.padEnd(14)} ${suite.title}: ${outcome} (${seconds} s)`)
    })
  }
}

function isOutermost(suite: Suite): boolean {
  return suite.parent?.root === true
}

/** The file of a test or of a hook, as the runner names it; what belongs to no file stands under its own name. */
function fileOf(test: Runnable): string {
  let suite = test.parent
  while (suite && suite.file === undefined) suite = suite.parent
  const file = test.file ?? suite?.file
  return file === undefined ? test.title : path.relative(process.cwd(), file)
}
