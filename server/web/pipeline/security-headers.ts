import type { IncomingMessage, ServerResponse } from 'node:http'
import helmet from 'helmet'
import type { AppMiddleware } from '../../../shared/app/context.ts'

/**
 * The headers that tell browsers what not to do with our answers: helmet's, for an API whose answers are never
 * pages. Helmet computes them once, here; a request only copies them. Answers are private unless a route says
 * otherwise, so no cache keeps them.
 */
export function securityHeaders(): AppMiddleware {
  const always = Object.entries({ ...helmetHeaders(), 'Cache-Control': 'no-store' })
  // Browsers ignore it on plain HTTP, and must: anybody on the way could have written it.
  const overTls = 'max-age=31536000; includeSubDomains'

  return function setSecurityHeaders(ctx, next) {
    const { res } = ctx
    for (const [name, value] of always) res.setHeader(name, value)
    if (ctx.state.secure) res.setHeader('Strict-Transport-Security', overTls)
    return next()
  }
}

function helmetHeaders(): Record<string, string> {
  const headers: Record<string, string> = {}
  const response = {
    setHeader: (name: string, value: string) => void (headers[name] = value),
    removeHeader: () => {},
  } as unknown as ServerResponse
  const none = ["'none'"]
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: none,
        objectSrc: none,
        baseUri: none,
        formAction: none,
        frameAncestors: none,
      },
    },
    strictTransportSecurity: false,
    xFrameOptions: { action: 'deny' },
    // About Internet Explorer, Flash and DNS prefetching in pages: nothing to say about JSON.
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xDnsPrefetchControl: false,
    xXssProtection: false,
    originAgentCluster: false,
  })({} as IncomingMessage, response, () => {})
  return headers
}
