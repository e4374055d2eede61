import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { SpanExporter } from '@opentelemetry/sdk-trace-base'
import type { TracingConfig } from '../../config/tracing.ts'

/** Sends spans to the collector that the environment names, with the headers and certificates that it names. */
export function createOtlpExporter(
  { protocol }: Pick<TracingConfig, 'protocol'>,
  { timeoutMs }: { timeoutMs?: number } = {},
): SpanExporter {
  const options = timeoutMs === undefined ? {} : { timeoutMillis: timeoutMs }
  return protocol === 'http/json' ? new JsonExporter(options) : new ProtobufExporter(options)
}

/** Delivers nothing, as a question whether deliveries are taken. Rejects with the reason why they are not. */
export async function askCollector(
  config: Pick<TracingConfig, 'protocol'>,
  timeoutMs: number,
): Promise<void> {
  const exporter = createOtlpExporter(config, { timeoutMs })
  await new Promise<void>((resolve, reject) => {
    exporter.export([], ({ error }) => (error ? reject(error) : resolve()))
  }).finally(() => exporter.shutdown())
}
