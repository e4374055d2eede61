import type { Logger } from '../../../shared/telemetry/log.ts'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import type { RequestMeter } from '../request-meter.ts'

const slowMs = 1_000

/**
 * One line a request, of facts that hold no secret: the pattern of the path instead of the path, no query, no
 * headers. At the default level only what somebody will look for is written: failures of ours, refusals of
 * authentication, and slow answers. A line for each of tens of thousands of good requests a second would cost
 * more than answering them; `LOG_LEVEL=debug` writes them all. What is not written is counted all the same.
 */
export function logRequests(log: Logger, meter?: Pick<RequestMeter, 'observe'>): AppMiddleware {
  function record(ctx: AppContext, ms: number): void {
    const { status } = ctx
    meter?.observe(ctx.state.route, status, ms)
    const level = levelOf(status, ms)
    if (log.isLevelEnabled(level)) log[level](factsOf(ctx, ms), 'request')
  }

  return function logRequest(ctx, next) {
    const startedAt = performance.now()
    const answering = next()
    if (answering) return answering.then(() => record(ctx, performance.now() - startedAt))
    record(ctx, performance.now() - startedAt)
  }
}

function levelOf(status: number, ms: number): 'warn' | 'info' | 'debug' {
  if (status >= 500) return 'warn'
  return status === 401 || status === 403 || status === 429 || ms > slowMs ? 'info' : 'debug'
}

function factsOf(ctx: AppContext, ms: number) {
  const { requestId, route, identity, clientIp } = ctx.state
  return {
    method: ctx.method,
    route: route?.path ?? null,
    status: ctx.status,
    ms: Math.round(ms * 10) / 10,
    user: identity?.user.id ?? null,
    ip: clientIp,
    requestId,
  }
}
