import type { ServerFeature } from '../feature.ts'
import { auditRoutes } from './audit.ts'

/** Who did what, when and from where. */
export const audit: ServerFeature = ({ services }) => ({ name: 'audit', routes: auditRoutes(services) })
