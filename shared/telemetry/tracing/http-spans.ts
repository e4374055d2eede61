import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Span,
} from '@opentelemetry/api'
import { METHODS, type IncomingMessage, type ServerResponse } from 'node:http'
import { tracerName } from './names.ts'
import type { RequestFacts } from './tracing.ts'

/** A header may take 16 KiB; no one reads more of this one. */
const mostOfUserAgent = 256

/**
 * Serves a request within a span of kind SERVER, by the conventions for HTTP:
 * https://opentelemetry.io/docs/specs/semconv/http/http-spans/
 *
 * Of the URL only the pattern of its route is told: a path or query that no one knows may hold anything.
 */
export function traceRequest<T>(
  req: IncomingMessage,
  res: ServerResponse,
  facts: () => RequestFacts,
  serve: () => T,
): T {
  const caller = propagation.extract(ROOT_CONTEXT, req.headers)
  const method = METHODS.includes(req.method ?? '') ? (req.method as string) : '_OTHER'
  const attributes = {
    'http.request.method': method,
    'network.protocol.version': req.httpVersion,
    'user_agent.original': req.headers['user-agent']?.slice(0, mostOfUserAgent),
  }
  const span = trace.getTracer(tracerName).startSpan(method, { kind: SpanKind.SERVER, attributes }, caller)
  // The answer is out, or no one waits for it any more.
  res.once('close', () => {
    if (span.isRecording()) describeAnswer(span, method, res, facts())
    span.end()
  })
  return context.with(trace.setSpan(caller, span), serve)
}

function describeAnswer(span: Span, method: string, res: ServerResponse, facts: RequestFacts): void {
  const { route, secure, requestId, clientIp, userId } = facts
  span.setAttributes({
    'url.scheme': secure ? 'https' : 'http',
    'http.response.status_code': res.statusCode,
    'lockstep.request_id': requestId,
    ...(clientIp === null ? {} : { 'client.address': clientIp }),
    ...(userId === null ? {} : { 'user.id': userId }),
  })
  if (route !== null) {
    span.updateName(`${method} ${route}`)
    span.setAttributes({ 'http.route': route, 'url.path': route })
  }
  if (!res.writableFinished) span.addEvent('the client went away before the answer')
  if (res.statusCode < 500) return
  span.setAttribute('error.type', String(res.statusCode))
  span.setStatus({ code: SpanStatusCode.ERROR })
}
