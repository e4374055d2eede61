/** `lockstep`: what an application is written with. */
import * as jobs from '../queues/job.ts'
import * as schedules from '../queues/schedule.ts'
import type { z } from 'zod'
import { declare } from './declare.ts'
import * as pages from './page.ts'
import type { Parts } from './parts.ts'
import * as routes from './route.ts'
import * as streams from './stream.ts'

export { z } from 'zod'
export { defineApp, type App } from './app.ts'
export {
  requireIdentity,
  type AppContext,
  type AppIdentity,
  type AppState,
  type AppUser,
  type Asking,
} from './context.ts'
export type { Hooks, Middleware, Mount, ServicesCall, SignEvent } from './feature.ts'
export type {
  AppQueues,
  AppSessions,
  AppSettings,
  AppSignIn,
  Parts,
  SignedIn,
  SignInOptions,
} from './parts.ts'
export { Problem, problem, invalidFields, type FieldError, type ProblemKind } from './problem.ts'
export * from './register.ts'
export type { Access, Input, Method, Reply, Route } from './route.ts'
export type { Socket, SocketConnection, Stream, StreamConnection, StreamEvent } from './stream.ts'
export { html, type Html } from './html.ts'
export type { NavigationEntry, PageContent } from './site.ts'
export { Unavailable } from '../kernel/errors.ts'
export type { Broadcast, BroadcastOptions } from '../live/broadcast.ts'
export type { RoomEvent, Target } from '../live/room-event.ts'
export { WorkEnded, type WorkEndReason } from '../live/work-ended.ts'
export type { LimitPolicy, LimitRule } from '../limits/policy.ts'
export type { Behalf } from '../queues/behalf.ts'
export { flow } from '../queues/flow.ts'
export { createOutbox, type Outbox, type OutboxSettings, type RunStatement } from '../queues/outbox.ts'
export { sibling, type Job, type JobRun } from '../queues/job.ts'
export type { Schedule } from '../queues/schedule.ts'

type Work<Payload> =
  | { readonly handler: jobs.Handler<Payload, Parts> }
  | { readonly load: () => Promise<jobs.HandlerModule<Payload, Parts>> }
  | { readonly sandbox: URL }

/** As that of the part, but the handler works with what all handlers get. */
type DefineJob = <Payload extends z.ZodType>(
  description: jobs.JobDescription<Payload> & Work<z.output<Payload>>,
) => jobs.Job<z.input<Payload>, Parts>

/** As the function of the part, but what is wrong is told when the application is loaded. */
export const defineRoute = ((description: never) =>
  declare(() => routes.defineRoute(description))) as typeof routes.defineRoute
export const definePage = ((description: never) =>
  declare(() => pages.definePage(description))) as typeof pages.definePage
export const defineStream: typeof streams.defineStream = (description) =>
  declare(() => streams.defineStream(description))
export const defineSocket: typeof streams.defineSocket = (description) =>
  declare(() => streams.defineSocket(description))
export const defineJob = ((description: never) =>
  declare(() => jobs.defineJob(description))) as unknown as DefineJob
export const defineSchedule: typeof schedules.defineSchedule = (description) =>
  declare(() => schedules.defineSchedule(description))
