import { isIP } from 'node:net'
import type { Logger } from '../../../shared/telemetry/log.ts'
import type { AppMiddleware } from '../../../shared/app/context.ts'

/** Whether requests seem to come through a proxy that we were not told of. */
export interface ProxyWatch {
  readonly suspected: boolean
  /** For every request, while no proxy is trusted. */
  readonly middleware: AppMiddleware
}

/**
 * With `TRUST_PROXY=0` behind a proxy everybody has the proxy's address: all people share one limit on wrong passwords,
 * and one of requests. That shows by a forwarded address in what comes from a machine nearby; strangers who send such a
 * header prove nothing. Said once.
 */
export function createProxyWatch(log: Pick<Logger, 'warn'>): ProxyWatch {
  let suspected = false
  return {
    get suspected() {
      return suspected
    },
    middleware: function noticeProxy(ctx, next) {
      if (!suspected && ctx.req.headers['x-forwarded-for'] !== undefined) {
        suspected = isNearby(ctx.req.socket.remoteAddress ?? '')
        if (suspected) log.warn(untrustedProxy)
      }
      return next()
    },
  }
}

export const untrustedProxy =
  'requests seem to come through a proxy, and TRUST_PROXY is 0: all clients share the limits of its address. Set ' +
  'TRUST_PROXY to the number of proxies in front of this server'

/** Loopback, and the private networks of RFC 1918 and RFC 4193. */
function isNearby(address: string): boolean {
  const ip = address.replace(/^::ffff:/i, '')
  if (isIP(ip) === 4) return /^(?:127|10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\./.test(ip)
  return ip === '::1' || /^f[cd]/i.test(ip)
}
