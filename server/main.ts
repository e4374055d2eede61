/**
 * The entry of the primary and of every web worker. What each of them does with signals and exit codes is in entries/;
 * here is only which of them this process is.
 */
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { ignoreSignals, openEntry } from '../shared/process/entry.ts'

const entry = openEntry()
// Unhandled they would end or stop the process: one that comes during the first moments of the start does nothing.
ignoreSignals('SIGHUP', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU')

try {
  const { readAssignment } = await import('../shared/process/assignment.ts')
  const assignment = readAssignment(process.env)
  if (cluster.isWorker && assignment !== null) {
    const { runWebWorker } = await import('./entries/web.ts')
    await runWebWorker(entry, { env: process.env, slot: assignment.slot })
  } else if (cluster.isWorker && process.env.pm_id !== undefined) {
    const { runUnderPm2 } = await import('./entries/pm2.ts')
    await runUnderPm2(entry, { env: process.env, pmId: Number(process.env.pm_id) })
  } else {
    const { runPrimary } = await import('./entries/primary.ts')
    await runPrimary(entry, {
      env: process.env,
      args: process.argv.slice(2),
      main: fileURLToPath(import.meta.url),
    })
  }
} catch (cause) {
  entry.fail(cause)
}
