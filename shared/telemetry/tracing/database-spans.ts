import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { ObservedQuery } from '../../accounts/account-store.ts'
import { tracerName } from './names.ts'

/**
 * Tells of a query that has just ended, where a request or a job waited for it, as a span of kind CLIENT. The text is
 * that of the prepared statement; what was asked for is not in it.
 * Conventions: https://opentelemetry.io/docs/specs/semconv/database/database-spans/
 */
export function traceQuery({ system, text, ms, error }: ObservedQuery): void {
  if (!trace.getActiveSpan()?.isRecording()) return
  const [operation = 'query'] = /^\w+/.exec(text) ?? []
  const [, table] = /\b(?:from|into|update)\s+["`]?(\w+)/i.exec(withoutParentheses(text)) ?? []
  const now = Date.now()
  const span = trace.getTracer(tracerName).startSpan([operation, table].filter(Boolean).join(' '), {
    kind: SpanKind.CLIENT,
    startTime: now - ms,
    attributes: {
      'db.system.name': system,
      'db.operation.name': operation,
      'db.collection.name': table,
      'db.query.text': text,
    },
  })
  if (error) span.setAttribute('error.type', error.name).setStatus({ code: SpanStatusCode.ERROR })
  span.end(now)
}

/** The query itself is about another table than a subquery among its columns. */
function withoutParentheses(text: string): string {
  const rest = text.replace(/\([^()]*\)/g, '')
  return rest === text ? text : withoutParentheses(rest)
}
