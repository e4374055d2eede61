import type { Environment } from '../../shared/config/environment.ts'
import type { Entry } from '../../shared/process/entry.ts'
import { runWorker, supervised } from '../../shared/process/run-worker.ts'

/**
 * A web worker that our primary forked. What it is made of is imported when the primary can be told that it can't be: a
 * broken build must not replace a worker that works.
 */
export async function runWebWorker(
  entry: Entry,
  { env: environment, slot }: { env: Environment; slot: number },
): Promise<void> {
  const host = supervised(entry)
  await runWorker(entry, host, async () => {
    const { loadForWorker } = await import('../../shared/app/load-for-worker.ts')
    const { assignedSpace } = await import('../../shared/deployment/assigned-space.ts')
    const { deploymentKeys } = await import('../../shared/deployment/deployment-keys.ts')
    const { openTracing } = await import('../../shared/telemetry/tracing/tracing.ts')
    const { createWebWorker } = await import('../web/worker.ts')

    const { config, ...application } = await loadForWorker(environment, { cwd: process.cwd() })
    const logOptions = {
      level: config.log.level,
      pretty: process.stdout.isTTY,
      process: 'web',
      worker: String(slot),
    } as const
    const { log, tracing } = await openTracing(config, logOptions)
    const worker = createWebWorker({
      ...application,
      config,
      keys: deploymentKeys(assignedSpace(environment)),
      slot,
      log,
      ...(config.metrics ? { metrics: process } : {}),
      ...(tracing ? { tracing } : {}),
      primary: host.ask,
      onFatal: entry.fail,
    })
    return { worker, log, logOptions, graceMs: config.graceMs }
  })
}
