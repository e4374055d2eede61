import type { ServerFeature } from '../feature.ts'
import { healthRoutes } from './health.ts'

/** Where machines ask whether this worker lives. */
export const health: ServerFeature = ({ services: { readiness } }) => ({
  name: 'health',
  routes: healthRoutes(readiness),
})
