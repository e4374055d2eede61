import type { Config } from '../../../shared/config/config.ts'
import { messageOf } from '../../../shared/kernel/errors.ts'
import { findingsAbout, type Finding } from './finding.ts'

const { ok, warning } = findingsAbout('traces')
const patienceMs = 3_000

/** Whether the collector takes what it is sent. Says nothing where nothing is traced. */
export async function examineTraces({ tracing }: Pick<Config, 'tracing'>): Promise<Finding[]> {
  if (tracing === null) return []
  if (tracing.exporter === 'console') return [ok('spans are written into the log')]
  const { askCollector } = await import('../../../shared/telemetry/tracing/otlp-exporter.ts')
  try {
    await askCollector(tracing, patienceMs)
    return [ok('the collector takes them')]
  } catch (cause) {
    const reason = messageOf(cause)
    return [
      warning(
        `the collector does not take them (${reason}): start it, or correct OTEL_EXPORTER_OTLP_ENDPOINT, ` +
          '_PROTOCOL or _HEADERS; until then traces are lost',
      ),
    ]
  }
}
