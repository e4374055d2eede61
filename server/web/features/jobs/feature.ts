import { jobs as background } from '../../../jobs.ts'
import type { ServerFeature } from '../feature.ts'
import { failedJobRoutes } from './failed.ts'
import { jobRoutes } from './jobs.ts'
import { scheduleRoutes } from './schedules.ts'

/** Asking for jobs and looking after them; what the clock asks for. */
export const jobs: ServerFeature = ({ services }) => ({
  ...background,
  routes: [...jobRoutes(services), ...scheduleRoutes(services), ...failedJobRoutes(services)],
})
