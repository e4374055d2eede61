/** `lockstep/queues/dashboard`: the dashboard of queues in any Koa app. */
export type { ActionFacts } from './action-facts.ts'
export {
  queueDashboard,
  type DashboardAccess,
  type DashboardContext,
  type DashboardMiddleware,
  type QueueDashboardOptions,
} from './koa.ts'
export { ConfigurationError } from '../../kernel/errors.ts'
