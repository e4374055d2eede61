/**
 * What BullMQ reports about itself, as traces: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
 *
 * BullMQ's own adapter tells more than may leave the process (results and reasons of failure) and makes traces of
 * looking for jobs, day and night. Here are two spans a job: that it was added, and each attempt at it. Why an attempt
 * failed is in the log, under the id of the trace.
 */
import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span as OtelSpan,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import type { Attributes, Span, Telemetry } from 'bullmq'
import { tracerName } from './names.ts'

const carrierOf = new W3CTraceContextPropagator()
const setter = {
  set: (carrier: Record<string, string>, name: string, value: string) => (carrier[name] = value),
}
const getter = {
  keys: (carrier: Record<string, unknown>) => Object.keys(carrier),
  get(carrier: Record<string, unknown>, name: string) {
    const value = carrier[name]
    return typeof value === 'string' ? value : undefined
  },
}

export function traceJobs(): Telemetry<Context> {
  return {
    tracer: {
      startSpan(name, options, parent) {
        const kind = options?.kind as SpanKind | undefined
        if (kind !== SpanKind.PRODUCER && kind !== SpanKind.CONSUMER) return noSpan
        return jobSpan(trace.getTracer(tracerName).startSpan(name, { kind }, parent), kind)
      },
    },
    contextManager: {
      with: (ctx, fn) => context.with(ctx, fn),
      active: () => context.active(),
      root: () => ROOT_CONTEXT,
      // Kept with the job, where the dashboard shows it: the ids of the trace, and nothing else that came along.
      getMetadata(ctx) {
        const carrier = {}
        carrierOf.inject(ctx, carrier, setter)
        return JSON.stringify(carrier)
      },
      fromMetadata: (active, text) => carrierOf.extract(active, carrierIn(text), getter),
    },
  }
}

/** What is kept in Redis may be anything; a job is worked on all the same. */
function carrierIn(text: unknown): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(String(text))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function jobSpan(span: OtelSpan, kind: SpanKind.PRODUCER | SpanKind.CONSUMER): Span<Context> {
  const operation = kind === SpanKind.PRODUCER ? 'send' : 'process'
  span.setAttributes({ 'messaging.system': 'bullmq', 'messaging.operation.type': operation })

  function setAttributes(attributes: Attributes): void {
    const queue = attributes['bullmq.queue.name']
    if (queue !== undefined) span.updateName(`${operation} ${String(queue)}`)
    for (const [theirs, ours] of Object.entries(told)) {
      const value = attributes[theirs]
      if (value !== undefined) span.setAttribute(ours, value as string | number)
    }
  }

  return {
    setSpanOnContext: (ctx) => trace.setSpan(ctx, span),
    setAttribute: (name, value) => setAttributes({ [name]: value }),
    setAttributes,
    addEvent(name) {
      if (name === 'job failed') span.setStatus({ code: SpanStatusCode.ERROR })
    },
    recordException: () => void span.setStatus({ code: SpanStatusCode.ERROR }),
    end: () => span.end(),
  }
}

/** What is told of all that BullMQ offers, by its name and by that of the conventions. */
const told = {
  'bullmq.queue.name': 'messaging.destination.name',
  'bullmq.job.id': 'messaging.message.id',
  'bullmq.job.attempts.made': 'bullmq.job.attempts.made',
} as const

const noSpan: Span<Context> = {
  setSpanOnContext: (ctx) => ctx,
  setAttribute() {},
  setAttributes() {},
  addEvent() {},
  recordException() {},
  end() {},
}
