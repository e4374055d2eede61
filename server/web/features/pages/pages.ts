import { assetPaths } from './page.ts'
import { asset } from './assets.ts'
import { sessionScriptPath } from './session-script.ts'
import type { Route } from '../../../../shared/app/route.ts'

/** The files that all pages are made with. */
export function pageRoutes(): Route[] {
  const here = import.meta.dirname
  const script = 'text/javascript; charset=utf-8'
  return [
    asset(assetPaths.style, here, 'pages.css', 'text/css; charset=utf-8'),
    asset(assetPaths.icon, here, 'icon.svg', 'image/svg+xml'),
    asset(sessionScriptPath, here, 'session.js', script),
    asset(assetPaths.times, here, 'times.js', script),
    asset(assetPaths.token, here, 'token.js', script),
  ]
}
