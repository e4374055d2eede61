/**
 * The entry of a job worker. The primary forks it and tells it when to stop; run by hand or by pm2, with REDIS_URL, it
 * stops on a signal.
 */
import { ignoreSignals, openEntry } from '../shared/process/entry.ts'

const entry = openEntry()
// What a terminal or a script may send to all of us at once: the primary decides what it means for each worker. Before
// anything is loaded, since unhandled they would end or stop the process.
if (process.send) ignoreSignals('SIGHUP', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU')

try {
  const { runJobWorker } = await import('./run-job-worker.ts')
  await runJobWorker(entry, process.env)
} catch (cause) {
  entry.fail(cause)
}
