import { audit as background } from '../../../jobs.ts'
import type { ServerFeature } from '../feature.ts'
import { auditRoutes } from './audit.ts'

/** Who did what, when and from where. */
export const audit: ServerFeature = ({ services }) => ({ ...background, routes: auditRoutes(services) })
