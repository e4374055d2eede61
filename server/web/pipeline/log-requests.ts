import { addressKey } from '../../../shared/limits/address.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { createRepeats } from '../../../shared/telemetry/repeats.ts'
import type { RequestMeter } from '../request-meter.ts'

const slowMs = 1_000

/**
 * One line a request, of facts that hold no secret: the pattern of the path instead of the path, no query, no
 * headers. At the default level only what someone will look for is written: failures of ours, refusals of
 * authentication, and slow answers. A line for each of tens of thousands of good requests a second would cost
 * more than answering them; `LOG_LEVEL=debug` writes them all. What is not written is counted all the same.
 *
 * Refusals and failures are what anybody can cause as often as they like, so of those of one address for one reason only
 * the first few of each minute are written, and a bounded number of all. The next one says how many were left out.
 */
export function logRequests(log: Logger, meter?: Pick<RequestMeter, 'observe'>): AppMiddleware {
  const repeats = createRepeats({ most: 10, mostOfAll: 600 })

  function record(ctx: AppContext, ms: number): void {
    const { status } = ctx
    meter?.observe(ctx.state.route, status, ms)
    const level = levelOf(status, ms)
    if (!log.isLevelEnabled(level)) return
    // Who asks for every line gets every line.
    const admitted = log.isLevelEnabled('debug') ? { leftOut: 0 } : repeats.admit(reasonOf(ctx))
    if (admitted === null) return
    const { leftOut } = admitted
    log[level]({ ...factsOf(ctx, ms), ...(leftOut > 0 ? { leftOut } : {}) }, 'request')
  }

  return function logRequest(ctx, next) {
    const startedAt = performance.now()
    const answering = next()
    if (answering) return answering.then(() => record(ctx, performance.now() - startedAt))
    record(ctx, performance.now() - startedAt)
  }
}

/** As a limit sees addresses: anyone who has one of IPv6 has very many. */
function reasonOf({ status, method, state: { clientIp, route } }: AppContext): string {
  return `${addressKey(clientIp ?? '')} ${status} ${method} ${route?.path ?? ''}`
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
