/**
 * Finds the route of a request and runs it behind the guards that every route gets: there is no way to reach a
 * handler past them.
 *
 * Paths are compared as they were sent: no case folding, no trailing slash, so that there is one way to write each
 * path and a proxy's rules in front of us mean the same paths as ours. A path belongs to one route, whatever its query
 * (`precedence.ts`). So a route without parameters is found in a table. For all others there is @koa/router: paths
 * with parameters, HEAD, and paths that have no route for the method.
 */
import { Router } from '@koa/router'
import { compose, inTurn } from '../../http/compose.ts'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { problem } from '../../../shared/app/problem.ts'
import { bySpecificity, refuseShadows } from './precedence.ts'
import type { Route } from '../../../shared/app/route.ts'

/** Routes that belong together. */
export type RouteGroup = readonly Route[]

/** Throws when two routes could answer the same request; `application` are those of them that are not the server's. */
export function routeRequests(
  groups: readonly RouteGroup[],
  guards: readonly AppMiddleware[],
  application: readonly Route[] = [],
): AppMiddleware {
  refuseShadows(groups.flat(), application)
  const fixed = new Map<string, Map<string, AppMiddleware>>()
  const router = new Router({ strict: true, sensitive: true })
  for (const route of bySpecificity(groups.flat())) {
    const guarded = compose([inTurn(choose(route)), ...guards])
    router.register(route.path, [route.method], [guarded] as never)
    if (!/[:*]/.test(route.path)) addTo(fixed, route, guarded)
  }
  const search = router.routes() as unknown as AppMiddleware

  return function routeRequest(ctx, next) {
    const { url = '', method = '' } = ctx.req
    const found = (fixed.get(url) ?? fixed.get(withoutQuery(url)))?.get(method)
    return found === undefined ? search(ctx, next) : found(ctx, next)
  }
}

function withoutQuery(url: string): string {
  const start = url.indexOf('?')
  return start < 0 ? url : url.slice(0, start)
}

function addTo(
  fixed: Map<string, Map<string, AppMiddleware>>,
  { path, method }: Route,
  run: AppMiddleware,
): void {
  const here = fixed.get(path)
  if (here) here.set(method, run)
  else fixed.set(path, new Map([[method, run]]))
}

const noParams = Object.freeze({})

/** Tells the guards which route it is that they guard. */
function choose(route: Route): AppMiddleware {
  return function chooseRoute(ctx, next) {
    ctx.state.route = route
    if (route.params !== null) requireWellEncoded(ctx.req.url ?? '')
    ctx.state.params = (ctx as AppContext & { params?: Record<string, string> }).params ?? noParams
    return next()
  }
}

function requireWellEncoded(url: string): void {
  try {
    decodeURIComponent(withoutQuery(url))
  } catch {
    throw problem('malformed-request', 'the path has a broken percent encoding')
  }
}
