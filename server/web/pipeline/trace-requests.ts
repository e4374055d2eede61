import type { RequestFacts, Tracing } from '../../../shared/telemetry/tracing/tracing.ts'
import type { AppMiddleware, AppState } from '../../../shared/app/context.ts'
import { probes } from '../features/health/health.ts'

/** Their traces would be most of all traces, and tell nothing. */
const untraced: ReadonlySet<string> = new Set(Object.values(probes))

/** Follows each request as a part of a trace. The first of all middleware, so that every step is in it. */
export function traceRequests(tracing: Pick<Tracing, 'request'>): AppMiddleware {
  return function traceRequest(ctx, next) {
    const { req, res } = ctx
    if (untraced.has(req.url ?? '')) return next()
    return tracing.request(req, res, () => factsOf(ctx.state), next)
  }
}

function factsOf({ route, secure, requestId, clientIp, identity }: AppState): RequestFacts {
  return { route: route?.path ?? null, secure, requestId, clientIp, userId: identity?.user.id ?? null }
}
