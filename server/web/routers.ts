/**
 * Registers routes with @koa/router, behind the guards that every route gets: there is no way to reach a handler
 * past them.
 *
 * One router a group: they are asked in turn and the first that knows the request answers it, so the first group is
 * the place of the routes that are called most. Paths are compared as they were sent: no case folding, no trailing
 * slash, so that there is one way to write each path and a proxy's rules in front of us mean the same paths as ours.
 */
import { Router } from '@koa/router'
import type { App, AppContext, AppMiddleware } from './context.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'

/** Routes that are looked for together. */
export type RouteGroup = readonly Route[]

/** Throws when two routes could answer the same request. */
export function mountRoutes(app: App, groups: readonly RouteGroup[], guards: readonly AppMiddleware[]): void {
  refuseTwins(groups.flat())
  for (const group of groups) {
    const router = new Router({ strict: true, sensitive: true })
    for (const route of group) {
      router.register(route.path, [route.method], [choose(route), ...guards] as never)
    }
    app.use(router.routes() as unknown as AppMiddleware)
  }
}

/** Tells the guards which route it is that they guard. */
function choose(route: Route): AppMiddleware {
  return function chooseRoute(ctx, next) {
    ctx.state.route = route
    ctx.state.params = (ctx as AppContext & { params: Record<string, string> }).params
    if (route.params !== null) requireWellEncoded(ctx.req.url ?? '')
    return next()
  }
}

function requireWellEncoded(url: string): void {
  try {
    decodeURIComponent(url.split('?', 1)[0] ?? '')
  } catch {
    throw problem('malformed-request', 'the path has a broken percent encoding')
  }
}

function refuseTwins(routes: readonly Route[]): void {
  const shapes = new Set<string>()
  for (const { method, path } of routes) {
    const shape = `${method} ${path.replace(/:[^/]+/g, ':')}`
    if (shapes.has(shape)) throw new TypeError(`${method} ${path} is registered twice`)
    shapes.add(shape)
  }
}
