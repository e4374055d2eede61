/**
 * Work that never awaits would stop this process from renewing locks and from answering anything, so it is done
 * in a thread of its own, which can be ended at any moment: by the job's time limit, by a drain, by a crash that
 * touches no one else.
 */
import { Worker, type WorkerOptions } from 'node:worker_threads'
import type { Behalf } from './behalf.ts'
import { sibling, type JobRun, type Log } from './job.ts'

/** How threads are made: `resourceLimits` bounds their memory. */
export type ThreadOptions = Pick<WorkerOptions, 'resourceLimits' | 'execArgv'>

/** What the thread is given to begin with. */
export interface SandboxAssignment {
  readonly file: string
  readonly id: string
  readonly data: unknown
  readonly attempt: number
  readonly scheduledFor: Date | null
  readonly onBehalfOf: Behalf | null
}

/** What the thread tells us. */
export type SandboxReport =
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'progress'; readonly value: number | object }
  | {
      readonly kind: 'log'
      readonly level: 'debug' | 'info' | 'warn' | 'error'
      readonly fields: object
      readonly message: string
    }

const threadFile = sibling(import.meta.url, 'sandbox-thread')

/** Runs the `handler` that the file exports in a thread. The thread is gone when this settles or the run is aborted. */
export function runSandboxed(file: URL, run: JobRun<unknown>, threads: ThreadOptions): Promise<unknown> {
  const assignment: SandboxAssignment = {
    file: file.href,
    id: run.id,
    data: run.data,
    attempt: run.attempt,
    scheduledFor: run.scheduledFor,
    onBehalfOf: run.onBehalfOf,
  }
  const thread = new Worker(threadFile, { ...threads, workerData: assignment, name: `job ${run.id}` })
  const end = () => void thread.terminate()
  run.signal.addEventListener('abort', end, { once: true })
  const result = new Promise<unknown>((resolve, reject) => {
    // What is told of the work arrives before its end does, and the thread may be gone by then.
    let told = Promise.resolve()
    thread.on('message', (report: SandboxReport) => {
      if (report.kind === 'log') return writeLog(run.log, report)
      if (report.kind === 'failed') return reject(report.error)
      told = told.then(() => (report.kind === 'done' ? resolve(report.result) : run.progress(report.value)))
      told.catch(reject)
    })
    thread.on('error', reject)
    thread.on('exit', (code) => {
      const cause = new Error(`the thread ended with code ${code} before its work`)
      told.then(() => reject(cause), reject)
    })
  })
  return result.finally(() => {
    run.signal.removeEventListener('abort', end)
    end()
  })
}

function writeLog(log: Log, { level, fields, message }: SandboxReport & { kind: 'log' }): void {
  log[level](fields, message)
}
