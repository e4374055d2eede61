import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import { textsOf } from './locale.ts'
import { linksOf } from './page.ts'

/**
 * Goes on in a list that is read page by page: `next` is what the query `after` of the next page is, null at the end.
 * Null where one page shows all.
 */
export function pager(
  ctx: AppContext,
  facts: {
    readonly path: string
    readonly after: string | undefined
    readonly next: string | null
    readonly query?: Readonly<Record<string, string>>
  },
): Html | null {
  const { path, after, next, query = {} } = facts
  if (after === undefined && next === null) return null
  const { common } = textsOf(ctx)
  const link = (more: Record<string, string>) => {
    const search = new URLSearchParams({ ...query, ...more }).toString()
    return linksOf(ctx)(search === '' ? path : `${path}?${search}`)
  }
  return html`<nav class="pager" aria-label="${common.pages}">
    ${after === undefined ? null : html`<a href="${link({})}">${common.firstPage}</a>`}
    ${next === null ? null : html`<a href="${link({ after: next })}" rel="next">${common.nextPage}</a>`}
  </nav>`
}
