import type { ServerFeature } from '../feature.ts'
import { limitRoutesForAdmins } from './limits.ts'

/** What stands against whom, and lifting it. */
export const limits: ServerFeature = ({ services }) => ({
  name: 'limits',
  routes: limitRoutesForAdmins(services),
})
