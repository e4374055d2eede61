import { apiPolicy } from '../../limits.ts'
import type { ServerFeature } from '../feature.ts'
import { limitRoutesForAdmins } from './limits.ts'

/** The limit that every route is charged to, and what stands against whom. */
export const limits: ServerFeature = ({ services }) => ({
  name: 'limits',
  limits: [apiPolicy(services.config.limits)],
  routes: limitRoutesForAdmins(services),
})
