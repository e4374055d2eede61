import type { ServerFeature } from '../feature.ts'
import { workerRoutes } from './workers.ts'

/** The processes of the server, where a primary runs them. */
export const workers: ServerFeature = ({ services: { primary, recordAuthEvent } }) => ({
  name: 'workers',
  routes: primary ? workerRoutes({ primary, recordAuthEvent }) : [],
})
