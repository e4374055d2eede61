/** The inside of a sandbox: runs one handler and reports what it does to the process that started the thread. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Handler, JobRun, Log } from './job.ts'
import type { SandboxAssignment, SandboxReport } from './sandbox.ts'

function report(what: SandboxReport): void {
  parentPort?.postMessage(what)
}

function createLog(own: object): Log {
  const at = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) =>
    report({ kind: 'log', level, fields: { ...own, ...fields }, message })
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => createLog({ ...own, ...fields }),
  }
}

const { file, ...assignment } = workerData as SandboxAssignment
const run: JobRun<unknown> = {
  ...assignment,
  // The thread is ended when the run is aborted, so nothing in it needs to listen.
  signal: new AbortController().signal,
  log: createLog({}),
  childResults: () => Promise.reject(new Error('a job of a sandbox does not see the results of others')),
  progress: async (value) => report({ kind: 'progress', value }),
}

try {
  const { handler } = (await import(file)) as { handler: Handler<unknown, undefined> }
  report({ kind: 'done', result: await handler(run, undefined) })
} catch (error) {
  report({ kind: 'failed', error })
}
