/**
 * Pages for people: how to make one.
 *
 *     definePage({                                   // shared/app/page.ts; in the feature's `pages`
 *       path: '/admin/users', access: { roles: administrators }, summary: 'Accounts',
 *       navigation: { label: (locale) => textsIn(locale as Locale).console.users, group: 'admin', order: 220 },
 *       handler: async (ctx) => ({ title, main: html`…`, scripts: [assetPaths.times] }),
 *     })
 *     defineAction({                                 // action.ts: what a form does, then back to its page
 *       path: '/admin/users/disable', back: '/admin/users', access, summary, body: z.strictObject({ id }),
 *       async handler(ctx, { body }) { …; return { notice: { kind: 'done', text } } },
 *     })
 *
 * The pieces: `form`, `field`, `hidden` (form.ts), `table` (table.ts), `pager` (pager.ts), `timeOf` (time.ts),
 * `answerConfirmation` (confirmation.ts: asks before what can't be undone). `linksOf(ctx)` makes the relative links that
 * work behind a proxy which serves us below a path. Texts: `textsOf(ctx)` (locale.ts, shared/locales). Everything is
 * escaped by `html`, and there are no inline scripts or styles: a script is a file, registered by `asset` (assets.ts).
 */
import type { AppContext } from '../../../../shared/app/context.ts'
import type { PageContent } from '../../../../shared/app/site.ts'
import type { Html } from '../../../../shared/app/html.ts'
import { frame, headerOf, viewerOf, type Viewer } from './frame.ts'
import { localeOf } from './locale.ts'
import { relativeTo } from './local-path.ts'
import { takeNotice } from './notice.ts'
import { sessionScript } from './session-script.ts'

export { assetPaths } from './frame.ts'

export interface Page extends PageContent {
  /** Who is signed in, on pages that look it up themselves; else who the request says. */
  readonly viewer?: Viewer | null
}

const contentSecurityPolicy = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

export function answerPage(ctx: AppContext, page: Page, status = 200): void {
  ctx.status = status
  preparePage(ctx, contentSecurityPolicy)
  ctx.body = framed(ctx, page)
}

/**
 * The header of the frame alone, for a page that is made elsewhere.
 *
 * @param path what its links are relative to, where that is not the page's own
 */
export function headerFor(ctx: AppContext, path: string): Html {
  const { site } = ctx
  return headerOf({ site, path, locale: localeOf(ctx), viewer: viewerOf(ctx), notice: null, session: null })
}

/** The document: for pages that have a policy of their own. */
export function framed(ctx: AppContext, page: Page): string {
  const { site, path } = ctx
  const { viewer = viewerOf(ctx) } = page
  const locale = localeOf(ctx)
  ctx.vary('Accept-Language')
  ctx.set('Content-Language', locale)
  const session = viewer && sessionScriptOf(ctx, path, viewer)
  return frame(page, { site, path, locale, viewer, notice: takeNotice(ctx), session }).text
}

/** @param from what links of the document begin at */
export function sessionScriptOf(ctx: AppContext, from: string, { roles }: Pick<Viewer, 'roles'>): Html {
  return sessionScript({
    from,
    // What a form was sent to is no page to come back to.
    url: ctx.method === 'GET' ? ctx.url : '/',
    locale: localeOf(ctx),
    roles,
    access: ctx.state.route?.access ?? 'signed-in',
    hasSignIn: ctx.site.hasSignIn,
  })
}

/** The headers of an answer that is a page. */
export function preparePage(ctx: AppContext, policy: string): void {
  ctx.set({
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy,
    // Not `no-referrer`: browsers would send `Origin: null` with our own forms, which proves nothing.
    'Referrer-Policy': 'same-origin',
  })
}

/** Links from this page to local paths, wherever a proxy puts us. */
export function linksOf({ path }: AppContext): (target: string) => string {
  return (target) => relativeTo(path, target)
}

/** Sends the browser to a local path, to be fetched with GET. */
export function redirect(ctx: AppContext, target: string): void {
  ctx.status = 303
  ctx.set('Location', relativeTo(ctx.path, target))
  ctx.body = ''
}
