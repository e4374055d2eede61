import type { Config } from '../../../shared/config/config.ts'
import { group, type Service } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { collectMetrics } from './metrics-collection.ts'
import { createMetricsServer } from './metrics-server.ts'
import type { Supervisor } from '../supervision/supervisor.ts'

/** Metrics of the primary and its workers. To be started before the workers are, so that each is followed from its fork. */
export function serveMetrics(
  address: NonNullable<Config['metrics']>,
  { supervisor, log }: { supervisor: Pick<Supervisor, 'workers'>; log: Logger },
): Service {
  const collection = collectMetrics({
    idOf(pid) {
      const worker = supervisor.workers().find((one) => one.pid === pid)
      return worker ? `${worker.role}-${worker.slot}` : null
    },
  })
  return group([collection, createMetricsServer({ ...address, read: collection.read, log })])
}
