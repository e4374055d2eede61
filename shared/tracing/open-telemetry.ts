import { context, diag, DiagLogLevel, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { TracingConfig } from '../config/tracing.ts'
import { remaining } from '../lifecycle.ts'
import type { Logger } from '../log.ts'
import { createSparingWarning } from '../sparing-log.ts'
import { traceQuery } from './database-spans.ts'
import { traceRequest } from './http-spans.ts'
import { traceJobs } from './job-spans.ts'
import { createLogExporter } from './log-exporter.ts'
import { createOtlpExporter } from './otlp-exporter.ts'
import { traceRedis } from './redis-spans.ts'
import type { Tracing } from './tracing.ts'

/** What the last spans may take to go out when a process stops. A collector that is away must not hold up a reload. */
const flushMs = 2_000

interface Surroundings {
  readonly log: Logger
  /** The worker's id. */
  readonly worker: string
}

export function createTracing(config: TracingConfig, { log, worker }: Surroundings): Tracing {
  const warn = createSparingWarning(log)
  const report = (cause: string) => warn(cause, { cause }, 'tracing met an error')
  const quiet = () => {}
  diag.setLogger(
    { error: report, warn: report, info: quiet, debug: quiet, verbose: quiet },
    DiagLogLevel.WARN,
  )
  const provider = new BasicTracerProvider({
    resource: resourceOf(worker),
    spanProcessors: [processor(config, log)],
  })
  let untraceRedis = () => {}

  return {
    request: traceRequest,
    jobs: traceJobs(),
    query: traceQuery,
    note: (facts) => void trace.getActiveSpan()?.setAttributes(facts),

    async start() {
      trace.setGlobalTracerProvider(provider)
      context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
      propagation.setGlobalPropagator(
        new CompositePropagator({ propagators: config.propagators.map((name) => propagators[name]()) }),
      )
      untraceRedis = traceRedis()
    },

    async stop(deadline) {
      untraceRedis()
      const flushed = provider
        .shutdown()
        .catch((err: unknown) => log.warn({ err }, 'the last traces are lost'))
      await Promise.race([flushed, pause(Math.min(remaining(deadline), flushMs), undefined, { ref: false })])
    },
  }
}

/** For the log: the trace that the line is part of, by the names that OpenTelemetry gives these fields. */
export function traceOfNow(): object {
  const span = trace.getActiveSpan()?.spanContext()
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }
}

const propagators = {
  tracecontext: () => new W3CTraceContextPropagator(),
  baggage: () => new W3CBaggagePropagator(),
}

function processor(config: TracingConfig, log: Logger): SpanProcessor {
  if (config.exporter === 'console') return new SimpleSpanProcessor(createLogExporter(log))
  return new BatchSpanProcessor(createOtlpExporter(config))
}

/** Who makes the spans. What the environment says (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) comes first. */
function resourceOf(worker: string) {
  return defaultResource()
    .merge(
      resourceFromAttributes({
        'service.name': 'lockstep',
        'service.instance.id': `${hostname()}-${process.pid}`,
        'host.name': hostname(),
        'process.pid': process.pid,
        'lockstep.worker': worker,
      }),
    )
    .merge(detectResources({ detectors: [envDetector] }))
}
