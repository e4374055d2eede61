import type { AppMiddleware } from './context.ts'

/**
 * One middleware of many, each around all that follow it. Made once, where koa-compose works for every request, and
 * adds no promise of its own: a layer gets from `next()` what the layer inside returned or threw. So a layer that
 * looks at what comes back is an async function, or knows that only a promise can.
 */
export function compose(layers: readonly AppMiddleware[]): AppMiddleware {
  const end: AppMiddleware = (_ctx, next) => next()
  return layers.reduceRight(
    (inner, layer) => (ctx, next) => layer(ctx, () => inner(ctx, next) as Promise<void>),
    end,
  )
}
