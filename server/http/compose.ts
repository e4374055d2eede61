import type { AppMiddleware } from '../../shared/app/context.ts'

const synchronous = new WeakSet<AppMiddleware>()

/**
 * Marks a layer that takes `next()` as our own do: it may return nothing, and throw at once. A layer without the mark is
 * plain Koa middleware, which calls `next().then(...)` and expects to learn of a fault by a rejection.
 */
export function inTurn(layer: AppMiddleware): AppMiddleware {
  synchronous.add(layer)
  return layer
}

/**
 * One middleware of many, each around all that follow it. Made once, where koa-compose works for every request, and
 * adds no promises to layers that are marked with `inTurn`: such a layer gets from `next()` what the layer inside it
 * returned or threw. Any other gets a promise, as koa-compose gives it.
 */
export function compose(layers: readonly AppMiddleware[]): AppMiddleware {
  const end: AppMiddleware = (_ctx, next) => next()
  return inTurn(
    layers.reduceRight((inner, layer) => {
      if (synchronous.has(layer)) return (ctx, next) => layer(ctx, () => inner(ctx, next))
      return (ctx, next) =>
        layer(
          ctx,
          once(() => inner(ctx, next)),
        )
    }, end),
  )
}

/** `next` of koa-compose: always a promise, and only once. */
function once(run: () => Promise<void> | void): () => Promise<void> {
  let called = false
  return async () => {
    if (called) throw new Error('next() called multiple times')
    called = true
    await run()
  }
}
