import type { ServerFeature } from '../feature.ts'
import { dashboardRoutes } from './dashboard.ts'

/** The dashboard of queues. */
export const dashboard: ServerFeature = ({ services }) => ({
  name: 'dashboard',
  pages: dashboardRoutes(services),
})
