import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { AppContext } from '../../../../shared/app/context.ts'
import { assetPaths, answerPage } from './page.ts'
import { answerProblemAsPage } from './problem-page.ts'
import { resetPage } from '../auth/pages/reset-page.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'

/** The page that mails link to, and the files that all pages are made with. */
export function pageRoutes(): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/reset',
      access: 'anyone',
      identify: false,
      summary: 'The page to set a password with the link of a mail, or to ask for one',
      replies: { 200: { description: 'The page' } },
      presentProblem: answerProblemAsPage,
      handler: (ctx) => answerPage(ctx, resetPage(ctx.path)),
    }),
    asset(assetPaths.style, 'pages.css', 'text/css; charset=utf-8'),
    asset(assetPaths.icon, 'icon.svg', 'image/svg+xml'),
    asset(assetPaths.reset, '../auth/pages/reset.js', 'text/javascript; charset=utf-8'),
  ]
}

/** A file that is public and lies in memory. It changes with a release only, and is looked at again each day. */
function asset(path: string, file: string, contentType: string): Route {
  const bytes = readFileSync(join(import.meta.dirname, file))
  return defineRoute({
    method: 'GET',
    path,
    access: 'anyone',
    identify: false,
    inMaintenance: 'open',
    limits: [],
    summary: `The file ${basename(file)}`,
    replies: { 200: { description: 'The file' } },
    handler(ctx: AppContext) {
      ctx.set({ 'Content-Type': contentType, 'Cache-Control': 'public, max-age=86400' })
      ctx.body = bytes
    },
  })
}
