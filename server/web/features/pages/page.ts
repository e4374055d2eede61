/** What all pages have in common: the frame, and the headers that let a browser run nothing but our own files. */
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import { relativeTo } from './local-path.ts'

export interface Page {
  readonly title: string
  readonly main: Html
  /** A script of ours that the page uses, by its path. */
  readonly script?: string
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

export const assetPaths = {
  style: '/assets/pages.css',
  icon: '/assets/icon.svg',
  reset: '/assets/reset.js',
} as const

export function answerPage(ctx: AppContext, page: Page, status = 200): void {
  ctx.status = status
  preparePage(ctx, contentSecurityPolicy)
  ctx.body = frame(ctx.path, page).text
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

/** Sends the browser to a local path, to be fetched with GET. */
export function redirect(ctx: AppContext, target: string): void {
  ctx.status = 303
  ctx.set('Location', relativeTo(ctx.path, target))
  ctx.body = ''
}

function frame(path: string, { title, main, script }: Page): Html {
  const link = (target: string) => relativeTo(path, target)
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title} · Lockstep</title>
        <link rel="icon" type="image/svg+xml" href="${link(assetPaths.icon)}" />
        <link rel="stylesheet" href="${link(assetPaths.style)}" />
        ${script === undefined ? null : html`<script src="${link(script)}" defer></script>`}
      </head>
      <body>
        <header><img src="${link(assetPaths.icon)}" alt="" width="28" height="28" /> Lockstep</header>
        <main>
          <h1>${title}</h1>
          ${main}
        </main>
      </body>
    </html> `
}
