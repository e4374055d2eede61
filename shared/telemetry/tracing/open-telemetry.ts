import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  CompositePropagator,
  setGlobalErrorHandler,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from '@opentelemetry/core'
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
import type { TracingConfig } from '../../config/tracing.ts'
import { remaining } from '../../kernel/lifecycle.ts'
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

const mostOfReason = 200

interface Surroundings {
  readonly log: Logger
  /** The worker's id. */
  readonly worker: string
}

export function createTracing(config: TracingConfig, { log, worker }: Surroundings): Tracing {
  setGlobalErrorHandler(tellOfLosses(log))
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

/**
 * Tells of spans that could not be delivered: once a minute, and of the cause only its kind and a short message. What
 * else OpenTelemetry has to say (its `diag`) is not logged: the body of a collector's answer may repeat what we sent,
 * and a header that is not accepted is told with its value.
 */
function tellOfLosses(log: Logger): (cause: unknown) => void {
  const warn = createSparingWarning(log)
  return (cause) => {
    const { name, code, message } = cause as { name?: unknown; code?: unknown; message?: unknown }
    const reason = [name, code, String(message ?? '').slice(0, mostOfReason)].filter(Boolean).join(' ')
    const text = 'spans could not be delivered and are lost; lockstep doctor says what to correct'
    // No part of the request that happens to be served meanwhile.
    context.with(ROOT_CONTEXT, () => warn('spans', { reason }, text))
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
