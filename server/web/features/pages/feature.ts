import type { ServerFeature } from '../feature.ts'
import { pageRoutes } from './pages.ts'

/** What all pages are made with. */
export const pages: ServerFeature = () => ({ name: 'pages', pages: pageRoutes() })
