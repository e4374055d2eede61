import type { Environment } from '../../shared/config/environment.ts'
import type { Entry } from '../../shared/process/entry.ts'
import { alone, runWorker } from '../../shared/process/run-worker.ts'
import { problemsText } from '../cluster/boot/announcements.ts'

/**
 * One of the processes of pm2's cluster mode. pm2 numbers all its processes; `pm_id` is kept by the replacement of a
 * process, NODE_APP_INSTANCE may be given twice.
 */
export async function runUnderPm2(
  entry: Entry,
  { env: environment, pmId }: { env: Environment; pmId: number },
): Promise<void> {
  const host = alone((reason) => process.stderr.write(problemsText(reason.split('\n'))))
  await runWorker(entry, host, async () => {
    const { loadForWorker } = await import('../../shared/app/load-for-worker.ts')
    const { openTracing } = await import('../../shared/telemetry/tracing/tracing.ts')
    const { createLoneWorker } = await import('../cluster/pm2/lone-worker.ts')

    const facts = { pm2Cluster: true, cwd: process.cwd() }
    const { config, ...application } = await loadForWorker(environment, facts)
    const slot = pmId + 1
    const logOptions = {
      level: config.log.level,
      pretty: process.stdout.isTTY,
      process: 'web',
      worker: String(slot),
      // pm2 takes what is written to the stream; the file descriptor is that of its daemon.
      stream: process.stdout,
    } as const
    const { log, tracing } = await openTracing(config, logOptions)
    const worker = createLoneWorker({
      ...application,
      config,
      slot,
      log,
      ...(tracing ? { tracing } : {}),
      say: (text) => void process.stdout.write(text),
      onFatal: entry.fail,
    })
    return { worker, log, logOptions, graceMs: config.graceMs }
  })
}
