import { assetPaths, answerPage } from './page.ts'
import { asset } from './assets.ts'
import { answerProblemAsPage } from './problem-page.ts'
import { sessionScriptPath } from './session-script.ts'
import { resetPage } from '../auth/pages/reset-page.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'

/** The page that mails link to, and the files that all pages are made with. */
export function pageRoutes(): Route[] {
  const here = import.meta.dirname
  const script = 'text/javascript; charset=utf-8'
  return [
    defineRoute({
      method: 'GET',
      path: '/reset',
      access: 'anyone',
      identify: false,
      summary: 'The page to set a password with the link of a mail, or to ask for one',
      replies: { 200: { description: 'The page' } },
      presentProblem: answerProblemAsPage,
      handler: (ctx) => answerPage(ctx, resetPage(ctx)),
    }),
    asset(assetPaths.style, here, 'pages.css', 'text/css; charset=utf-8'),
    asset(assetPaths.icon, here, 'icon.svg', 'image/svg+xml'),
    asset(sessionScriptPath, here, 'session.js', script),
    asset(assetPaths.times, here, 'times.js', script),
    asset(assetPaths.reset, here, '../auth/pages/reset.js', script),
  ]
}
