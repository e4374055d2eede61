import { apiPolicy, serverPolicies } from '../../../../shared/limits/open-limits.ts'
import type { ServerFeature } from '../feature.ts'
import { limitRoutesForAdmins } from './limits.ts'

/** The limits of the server itself, and what stands against whom. */
export const limits: ServerFeature = ({ services }) => ({
  name: 'limits',
  limits: [apiPolicy(services.config.limits), ...serverPolicies],
  routes: limitRoutesForAdmins(services),
})
