import { fork } from 'node:child_process'
import path from 'node:path'
import type { LoadOrder, LoadReport } from './load-generator.ts'

export interface LoadGenerator {
  /** Rejects when an answer was not a 200: then something else was measured than what was meant. */
  run(order: LoadOrder): Promise<LoadReport>
  stop(): void
}

/** A process of its own, so that its work is not counted as a server's. */
export function startLoadGenerator(): LoadGenerator {
  const child = fork(path.join(import.meta.dirname, 'load-generator.ts'), { execArgv: ['--import', 'tsx'] })
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', () => reject(new Error('the load generator ended')))
  })
  // Also when nobody is waiting for it.
  ended.catch(() => {})
  return {
    async run(order) {
      const answered = new Promise<LoadReport>((resolve) => child.once('message', resolve as () => void))
      child.send(order)
      const report = await Promise.race([answered, ended])
      if (report.refused > 0) throw new Error(`${report.refused} answers were not a 200`)
      return report
    },
    stop: () => void child.kill(),
  }
}
