import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { ExportResultCode, hrTimeToMilliseconds, hrTimeToTimeStamp } from '@opentelemetry/core'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base'
import type { Logger } from '../log.ts'

/** The `console` exporter: spans as lines of our log, so that what reads the log goes on understanding each line. */
export function createLogExporter(log: Logger): SpanExporter {
  return {
    export(spans, done) {
      for (const span of spans) {
        const { traceId, spanId } = span.spanContext()
        log.info({ trace_id: traceId, span_id: spanId, span: facts(span) }, 'span')
      }
      done({ code: ExportResultCode.SUCCESS })
    },
    async shutdown() {},
  }
}

function facts(span: ReadableSpan): object {
  return {
    parentId: span.parentSpanContext?.spanId ?? null,
    name: span.name,
    kind: SpanKind[span.kind].toLowerCase(),
    start: hrTimeToTimeStamp(span.startTime),
    ms: hrTimeToMilliseconds(span.duration),
    failed: span.status.code === SpanStatusCode.ERROR,
    attributes: span.attributes,
    events: span.events.map(({ name }) => name),
  }
}
