import type { AppMiddleware } from '../web/routing/context.ts'

/**
 * One middleware of many, each around all that follow it. Made once, where koa-compose works for every request, and
 * adds no promises: a layer gets from `next()` what the layer inside it returned or threw.
 */
export function compose(layers: readonly AppMiddleware[]): AppMiddleware {
  const end: AppMiddleware = (_ctx, next) => next()
  return layers.reduceRight((inner, layer) => (ctx, next) => layer(ctx, () => inner(ctx, next)), end)
}
