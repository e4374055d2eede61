import { writeFileSync } from 'node:fs'
import { reporters, Runner, type MochaOptions } from 'mocha'

/**
 * Mocha's usual report, and the totals as JSON in the file that the reporter option `totals` names: the runner
 * prints them last, below whatever comes after the report.
 */
export default class TotalsReporter extends reporters.Spec {
  constructor(runner: Runner, options: MochaOptions) {
    super(runner, options)
    const { totals } = options.reporterOptions as { totals?: string }
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures } = this.stats
      if (totals) writeFileSync(totals, JSON.stringify({ passes, failures }))
    })
  }
}
