/** Several real processes that limit together, and what they admitted. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LimiterMetrics } from '../../shared/limits/counters.ts'
import type { LimitPolicy } from '../../shared/limits/policy.ts'
import { trackChild } from '../support/children.ts'
import type { Plan } from './loads.ts'
import type { Admitted } from './sweep.ts'

const fixture = join(import.meta.dirname, '..', 'fixtures', 'limit-worker.ts')

export interface FleetOptions {
  readonly url: string
  readonly kind: 'ledger' | 'fixed window' | 'bucket'
  readonly plan: Plan
  readonly policy?: Partial<Pick<LimitPolicy, 'onDataLoss' | 'onOutage'>>
}

export interface FleetWorker {
  readonly process: ChildProcess
  /** Drains and ends it. */
  stop(): Promise<Report>
}

export interface Report {
  readonly metrics: LimiterMetrics
  /** Decisions that failed, by the name of the error. */
  readonly failures: Readonly<Record<string, number>>
}

export interface Fleet {
  readonly workers: FleetWorker[]
  /** One more worker, which begins at once. */
  add(): Promise<FleetWorker>
  /** All that any of them admitted so far, also those that are gone. */
  admissions(): Admitted[]
  /** Ends all that are alive, and tells what happened. */
  end(): Promise<{ readonly reports: Report[]; readonly admissions: Admitted[] }>
}

/** Starts the workers, and then lets them all begin together. */
export async function startFleet(size: number, options: FleetOptions): Promise<Fleet> {
  const dir = mkdtempSync(join(tmpdir(), 'lockstep-limits-'))
  const workers = await Promise.all(Array.from({ length: size }, (_, i) => launch(i)))
  let launched = size
  for (const { process } of workers) process.send('begin')

  async function launch(number: number): Promise<FleetWorker> {
    const { url, kind, plan, policy = {} } = options
    const args = [url, join(dir, `${number}.log`), kind, JSON.stringify(plan), JSON.stringify(policy)]
    const child = fork(fixture, args, { execArgv: ['--import', 'tsx'], stdio: 'inherit' })
    trackChild(child.pid ?? 0, 'a worker of a limited fleet')
    await once(child, 'message')
    return {
      process: child,
      async stop() {
        const reported = once(child, 'message')
        const gone = once(child, 'exit')
        child.send('stop')
        const [report] = (await reported) as [Report]
        await gone
        return report
      },
    }
  }

  const admissions = () => readdirSync(dir).flatMap((file) => parseLog(readFileSync(join(dir, file), 'utf8')))

  return {
    workers,
    admissions,
    async add() {
      const worker = await launch(launched)
      launched += 1
      workers.push(worker)
      worker.process.send('begin')
      return worker
    },
    async end() {
      const alive = workers.filter(({ process }) => process.exitCode === null && process.signalCode === null)
      const reports = await Promise.all(alive.map((worker) => worker.stop()))
      const all = admissions()
      rmSync(dir, { recursive: true })
      return { reports, admissions: all }
    },
  }
}

function parseLog(text: string): Admitted[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [key = '', atMs, cost] = line.split(' ')
      return { key, atMs: Number(atMs), cost: Number(cost) }
    })
}
