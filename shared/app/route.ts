/**
 * Routes as data. One description of a route is what registers it, what checks its input, what decides who may
 * call it and what documents it, so none of these can drift from another. An application describes its own
 * routes in the same way.
 */
import { z } from 'zod'
import type { AppContext, AppMiddleware } from './context.ts'
import type { Problem } from './problem.ts'

export const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type Method = (typeof methods)[number]

/** Who may call a route. There is no default: a route that does not say is not registered. */
export type Access = 'anyone' | 'signed-in' | { readonly roles: readonly [string, ...string[]] }

export interface Reply {
  readonly description: string
  /** The JSON that is answered; absent when there is none. */
  readonly body?: z.ZodType
}

/** Input as the handler gets it: checked, and nothing in it that the schemas do not name. */
export interface Input<Body = unknown, Params = unknown, Query = unknown> {
  readonly body: Body
  readonly params: Params
  readonly query: Query
}

interface RouteDescription {
  readonly method: Method
  /** Segments, of which those that begin with a colon are parameters: `/api/v1/orders/:id`. */
  readonly path: string
  readonly access: Access
  /** One line for the documentation. */
  readonly summary: string
  readonly replies: Readonly<Record<number, Reply>>
  /** A Koa middleware that runs around the handler, after access and input were checked. */
  readonly around?: AppMiddleware
  /**
   * `false` leaves out the second look at the session before a GET is answered. Only for handlers that answer
   * synchronously, from nothing but the identity: then no time passes in which the session could end.
   */
  readonly gate?: boolean
  /** The policies that a request is charged to, `api` when left out. Empty: not limited. */
  readonly limits?: readonly string[]
  /** `open`: served under maintenance too, to everybody. */
  readonly inMaintenance?: 'open'
  /**
   * The body is a form, as browsers send it. Any site can make a browser send one, so it is taken from our own pages
   * only, with a cookie or without.
   */
  readonly form?: true
  /** How a problem is told, when not as JSON: this is a page. */
  readonly presentProblem?: (ctx: AppContext, problem: Problem) => void
}

export interface Route extends RouteDescription {
  readonly body: z.ZodType | null
  readonly params: z.ZodType | null
  readonly query: z.ZodType | null
  /** May the body be left out? Only where no field is required. */
  readonly bodyOptional: boolean
  readonly handler: (ctx: AppContext, input: Input) => Promise<void> | void
}

const noFields = z.strictObject({})

/**
 * Checks a description and makes a route of it. Throws when it lacks an access rule or takes fields that it
 * does not name.
 */
export function defineRoute<
  Body extends z.ZodType = z.ZodUndefined,
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
>(
  description: RouteDescription & {
    readonly body?: Body
    readonly params?: Params
    readonly query?: Query
    readonly handler: (
      ctx: AppContext,
      input: Input<z.output<Body>, z.output<Params>, z.output<Query>>,
    ) => Promise<void> | void
  },
): Route {
  const { method, path, access } = description
  const name = `${method} ${path}`
  if (!isAccess(access)) throw new TypeError(`${name}: say who may call it (access)`)
  // Programs shall find one way to write each path; people and browsers add slashes to those of pages.
  const shape = description.presentProblem ? path.replace(/(?<=.)\/$/, '') : path
  if (!/^\/(?:(?::?[A-Za-z0-9_.-]+)(?:\/:?[A-Za-z0-9_.-]+)*)?$/.test(shape)) {
    throw new TypeError(`${name}: not a path that routes understand`)
  }
  const takesBody = method === 'POST' || method === 'PUT' || method === 'PATCH'
  if (description.body && !takesBody) throw new TypeError(`${name}: a ${method} request takes no body`)
  const body = takesBody ? (description.body ?? noFields) : null
  for (const schema of [body, description.params, description.query]) {
    if (schema && !namesItsFields(schema)) throw new TypeError(`${name}: use z.strictObject for its input`)
  }
  return {
    ...description,
    body,
    params: description.params ?? null,
    query: description.query ?? null,
    bodyOptional: body !== null && body.safeParse({}).success,
    handler: description.handler as Route['handler'],
  }
}

function isAccess(access: unknown): access is Access {
  if (access === 'anyone' || access === 'signed-in') return true
  const roles = (access as { roles?: unknown } | null | undefined)?.roles
  return Array.isArray(roles) && roles.length > 0 && roles.every((role) => typeof role === 'string')
}

/** Strict objects name their fields; records are bounded by the schema of their keys. */
function namesItsFields(schema: z.ZodType): boolean {
  if (schema instanceof z.ZodObject) return schema.def.catchall instanceof z.ZodNever
  return schema instanceof z.ZodRecord
}
