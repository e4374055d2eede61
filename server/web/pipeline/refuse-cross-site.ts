import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { requestOrigin } from '../../http/forwarded.ts'
import { problem } from '../../../shared/app/problem.ts'
import { changesSomething, crossSite, type CrossSite } from '../../../shared/sessions/index.ts'

/**
 * Refuses what another site makes a browser do with the cookie of a signed-in user here. Browsers say
 * where a request comes from in Sec-Fetch-Site, which no script can set; older ones in Origin. A request that
 * changes something, carries the cookie and says neither is refused too: it may be an old browser. Bearer tokens
 * are not added by browsers, so requests with them need no such proof.
 *
 * A form is held to the same without a cookie: another site must not sign someone in here, under its own name.
 */
export function refuseCrossSite(options: {
  trustProxy: number
  /** Where people reach us, when that is known; null: wherever they say in Host. */
  publicOrigin: string | null
}): AppMiddleware {
  return function refuseCrossSiteRequest(ctx, next) {
    const { credential, route } = ctx.state
    const browsers = credential === 'cookie' || route?.form === true || route?.multipart === true
    if (browsers && changesSomething(ctx.req.method)) requireOwnOrigin(ctx, options)
    return next()
  }
}

function requireOwnOrigin(
  ctx: AppContext,
  { trustProxy, publicOrigin }: Parameters<typeof refuseCrossSite>[0],
): void {
  const isOwn = (origin: string) => origin === publicOrigin || origin === requestOrigin(ctx.req, trustProxy)
  const reason = crossSite(ctx.req, isOwn)
  if (reason !== null) throw problem('csrf', reasons[reason])
}

const reasons: Readonly<Record<CrossSite, string>> = {
  'foreign-site': 'requests with the session cookie that change something must come from this origin',
  'foreign-origin': 'the Origin of the request is not this site',
  unknown:
    'a request with the session cookie that changes something needs the header Sec-Fetch-Site: same-origin ' +
    'or a matching Origin; programs better use Authorization: Bearer',
}
