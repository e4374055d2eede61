import type { AppContext, AppMiddleware } from '../context.ts'
import { problem } from '../problem.ts'
import { methods, type Method } from '../route.ts'
import type { RouteTable } from '../route-table.ts'

/**
 * Decides which route a request is for, before anything is done on its behalf. HEAD is answered wherever GET is.
 */
export function findRoutes(table: RouteTable): AppMiddleware {
  return function findRoute(ctx, next) {
    const { method } = ctx.req
    const path = pathOf(ctx.req.url ?? '/')
    const found = table.find((method === 'HEAD' ? 'GET' : method) as Method, path)
    if (found === null) return explainAbsence(ctx, table, path)
    ctx.state.route = found.route
    ctx.state.params = found.params
    return next()
  }
}

async function explainAbsence(ctx: AppContext, table: RouteTable, path: string): Promise<void> {
  const { method } = ctx
  const isKnown =
    (methods as readonly string[]).includes(method) || ['HEAD', 'OPTIONS', 'TRACE'].includes(method)
  if (!isKnown) throw problem('not-implemented', 'this server does not know the method of the request')

  const here = path === '*' ? methods : table.methodsAt(path)
  const allow = [...here, ...(here.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ')
  if (method === 'TRACE') {
    throw problem('method-not-allowed', 'TRACE is not answered', { headers: { Allow: allow } })
  }
  if (here.length === 0) throw problem('not-found', 'there is nothing at this path')
  if (method === 'OPTIONS') {
    ctx.set('Allow', allow)
    ctx.status = 204
    return
  }
  throw problem('method-not-allowed', `this path answers ${allow}`, { headers: { Allow: allow } })
}

/** The path as it was sent; that of an absolute request target (`GET http://host/path`) without its origin. */
function pathOf(target: string): string {
  const query = target.indexOf('?')
  const path = query < 0 ? target : target.slice(0, query)
  return path.startsWith('/') ? path : path.replace(/^https?:\/\/[^/]*/i, '') || '/'
}
