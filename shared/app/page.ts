import type { z } from 'zod'
import type { AppContext } from './context.ts'
import type { Parts } from './parts.ts'
import { defineRoute, type Access, type Input, type Route } from './route.ts'
import type { NavigationEntry, PageContent } from './site.ts'

/** What the handler of a page gives: the content of one in our frame, a document of its own, or nothing where it set `ctx.body`. */
type Given = PageContent | string | void

/**
 * Checks the declaration of a page for people. Its handler returns what stands in the frame that all pages have, made
 * with `html`; or a whole document as text; or sets `ctx.body` itself. Problems at its path are told as pages, and
 * `/openapi.json` leaves it out.
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
  /** Names it in the navigation of all pages, for those who may open it. */
  readonly navigation?: NavigationEntry
  readonly handler: (
    ctx: AppContext,
    input: Input<undefined, z.output<Params>, z.output<Query>>,
    parts: Parts,
  ) => Promise<Given> | Given
}): Route {
  const { handler, ...rest } = description
  return defineRoute({
    ...rest,
    method: 'GET',
    page: true,
    replies: { 200: { description: 'The page' } },
    async handler(ctx, input, parts) {
      const given = await handler(ctx, input as Parameters<typeof handler>[1], parts)
      if (typeof given === 'object') return ctx.site.answer(ctx, given)
      if (typeof given !== 'string') return
      ctx.type = 'html'
      ctx.body = given
    },
  })
}
