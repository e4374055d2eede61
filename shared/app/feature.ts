/**
 * A feature: routes, jobs, schedules, limits and what else belongs to one concern, as data. Everything built in is made
 * of features, and an application is one more of them: all are registered by the same call (register-features.ts).
 */
import type { JobFailure } from '../queues/job-workers.ts'
import type Koa from 'koa'
import type { z } from 'zod'
import type { Environment } from '../config/environment.ts'
import type { LimitPolicy } from '../limits/policy.ts'
import type { AnyJob } from '../queues/job.ts'
import type { Schedule } from '../queues/schedule.ts'
import type { WorkerRole } from '../process/assignment.ts'
import type { Logger } from '../telemetry/log.ts'
import type { AppContext } from './context.ts'
import type { Parts } from './parts.ts'
import type { Access, Route } from './route.ts'
import type { Socket, Stream } from './stream.ts'

/** Koa middleware as everybody writes it. */
export type Middleware = (ctx: AppContext, next: () => Promise<void>) => unknown

export interface Mount {
  /** Everything at this path and below that no route answers. */
  readonly path: string
  readonly koa: Koa
  readonly access: Access
  /** The policies that a request is charged to, `api` when left out. Empty: not limited. */
  readonly limits?: readonly string[]
}

/** Whose sign-in or sign-out it was. */
export interface SignEvent {
  readonly userId: string
  /** Public id of the session; null when all of the user's ended. */
  readonly sessionId: string | null
  readonly ip: string | null
  readonly requestId: string
}

/** Called at the moments of a process' life and of a user's. What a hook throws after the start is logged. */
export interface Hooks {
  /** Before the process serves anything; a throw refuses the start. */
  readonly start?: (parts: Parts) => unknown
  /** It serves requests, or takes jobs. */
  readonly ready?: (parts: Parts) => unknown
  /** It serves nothing any more, and the services are still there. */
  readonly stop?: (parts: Parts) => unknown
  readonly signedIn?: (event: SignEvent, parts: Parts) => unknown
  readonly signedOut?: (event: SignEvent, parts: Parts) => unknown
  /** A job has failed and will not be tried again; in the job worker that was at it last. */
  readonly jobFailed?: (failure: JobFailure, parts: Parts) => unknown
}

/** What `services` may use to make the services of a process. */
export interface ServicesCall<Env = Environment> {
  /** The feature's own variables, as its schema reads them. */
  readonly env: Env
  readonly log: Logger
  readonly role: WorkerRole
  /** What the server offers to handlers. */
  readonly lockstep: Omit<Parts, 'services'>
}

export interface Feature {
  readonly name: string
  /** Its own environment variables. */
  readonly env?: z.ZodObject
  /** Beside ours. */
  readonly roles?: readonly string[]
  readonly profile?: z.ZodObject
  /** Once a process, before it serves. What has `stop(deadline)` is stopped in reverse order. */
  readonly services?: (call: ServicesCall<never>) => unknown
  readonly middleware?: {
    /** Before any of ours but the log and the answer to faults. */
    readonly outer?: readonly Middleware[]
    /** After access was decided. */
    readonly identified?: readonly Middleware[]
  }
  readonly mounts?: readonly Mount[]
  readonly routes?: readonly Route[]
  readonly jobs?: readonly AnyJob[]
  readonly schedules?: readonly Schedule[]
  readonly limits?: readonly LimitPolicy[]
  readonly streams?: readonly Stream[]
  readonly sockets?: readonly Socket[]
  readonly pages?: readonly Route[]
  /** The path of a style sheet that changes the look of all pages; a route of its own serves it. */
  readonly stylesheet?: string
  /** Each field has a default. */
  readonly settings?: z.ZodObject
  readonly hooks?: Hooks
}
