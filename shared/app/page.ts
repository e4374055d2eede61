import type { z } from 'zod'
import type { AppContext } from './context.ts'
import type { Parts } from './parts.ts'
import { defineRoute, type Access, type Input, type Route } from './route.ts'

/**
 * Checks the declaration of a page for people. Its handler returns HTML, or sets `ctx.body` itself. Problems at its
 * path are told as pages, and `/openapi.json` leaves it out.
 */
export function definePage<
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
>(description: {
  readonly path: string
  readonly access: Access
  readonly summary: string
  readonly params?: Params
  readonly query?: Query
  readonly limits?: readonly string[]
  readonly handler: (
    ctx: AppContext,
    input: Input<undefined, z.output<Params>, z.output<Query>>,
    parts: Parts,
  ) => Promise<string | void> | string | void
}): Route {
  const { handler, ...rest } = description
  return defineRoute({
    ...rest,
    method: 'GET',
    page: true,
    replies: { 200: { description: 'The page' } },
    async handler(ctx, input, parts) {
      const text = await handler(ctx, input as Parameters<typeof handler>[1], parts)
      if (typeof text !== 'string') return
      ctx.type = 'html'
      ctx.body = text
    },
  })
}
