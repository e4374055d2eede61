import type { Config } from '../../../shared/config/config.ts'
import { group, type Service } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import type { Reading } from '../../../shared/telemetry/metrics/reading.ts'
import { collectMetrics } from './metrics-collection.ts'
import { createMetricsServer } from './metrics-server.ts'
import type { Supervisor } from '../supervision/supervisor.ts'

/** Metrics of the primary, its workers, and `more`. To be started before the workers are, so that each is followed from its fork. */
export function serveMetrics(
  address: NonNullable<Config['metrics']>,
  {
    supervisor,
    log,
    more,
  }: { supervisor: Pick<Supervisor, 'workers'>; log: Logger; more(): readonly Reading[] },
): Service {
  const collection = collectMetrics({
    idOf(pid) {
      const worker = supervisor.workers().find((one) => one.pid === pid)
      return worker ? `${worker.role}-${worker.slot}` : null
    },
  })
  return group([
    collection,
    createMetricsServer({ ...address, read: async () => [...(await collection.read()), ...more()], log }),
  ])
}
