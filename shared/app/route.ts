/**
 * Routes as data. One description of a route is what registers it, what checks its input, what decides who may
 * call it and what documents it, so none of these can drift from another. An application describes its own
 * routes in the same way.
 */
import { z } from 'zod'
import { listsIn, namesItsFields, schemaProblem } from '../kernel/zod-schema.ts'
import type { AppContext, AppMiddleware } from './context.ts'
import type { Parts } from './parts.ts'
import type { Problem } from './problem.ts'
import type { NavigationEntry } from './site.ts'

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
  /**
   * Segments, of which those that begin with a colon are parameters: `/api/v1/orders/:id`. The last one may begin with a
   * star and takes all that follows: `/files/*path`.
   */
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
  /**
   * `ctx.session`, the session's own data, is there: read before the handler, and what the handler changed is saved
   * after it. On other routes reading or writing it throws.
   */
  readonly session?: true
  /** `false`, on a route for anyone: who is signed in is not looked up, so `ctx.state.identity` is null. */
  readonly identify?: false
  /** The policies that a request is charged to, `api` when left out. Empty: not limited. */
  readonly limits?: readonly string[]
  /** `open`: served under maintenance too, to everybody. */
  readonly inMaintenance?: 'open'
  /**
   * The body is a form, as browsers send it. Any site can make a browser send one, so it is taken from our own pages
   * only, with a cookie or without.
   */
  readonly form?: true
  /** The body is `multipart/form-data`, held in memory; its schema may name files by `z.file()`. Guarded as a form is. */
  readonly multipart?: true
  /** The body is bytes as they come, of any type: `input.body` is a `Buffer`, for signatures over it. */
  readonly raw?: true
  /** The largest body that is read, in bytes. Default 64 KiB. */
  readonly bodyLimit?: number
  /** The longest that an answer may take, then 503. Default 60 s; `Infinity` for one that may take any time. */
  readonly timeoutMs?: number
  /** For people: problems are told as pages, and `/openapi.json` leaves it out. */
  readonly page?: true
  /** Where the navigation of all pages names this one. */
  readonly navigation?: NavigationEntry
  /** How a problem is told, when not as JSON: this is a page. */
  readonly presentProblem?: (ctx: AppContext, problem: Problem) => void
}

export interface Route extends RouteDescription {
  readonly body: z.ZodType | null
  readonly params: z.ZodType | null
  readonly query: z.ZodType | null
  /** May the body be left out? Only where no field is required. */
  readonly bodyOptional: boolean
  /** The parameters of the query that may be there more than once: those whose schema is a list. */
  readonly repeatable: ReadonlySet<string>
  readonly handler: (ctx: AppContext, input: Input, parts: Parts) => Promise<void> | void
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
  Raw extends true | undefined = undefined,
>(
  description: RouteDescription & {
    readonly raw?: Raw
    readonly body?: Body
    readonly params?: Params
    readonly query?: Query
    readonly handler: (
      ctx: AppContext,
      input: Input<Raw extends true ? Buffer : z.output<Body>, z.output<Params>, z.output<Query>>,
      parts: Parts,
    ) => Promise<void> | void
  },
): Route {
  const { method, path, access } = description
  const name = `${method} ${path}`
  const takesBody = method === 'POST' || method === 'PUT' || method === 'PATCH'
  const body = takesBody && !description.raw ? (description.body ?? noFields) : null
  // Programs find one way to write each path; people and browsers add slashes to those of pages.
  const shape = description.presentProblem ? String(path).replace(/(?<=.)\/$/, '') : path
  const problems = [
    methods.includes(method) ? null : `the method is one of ${methods.join(', ')}`,
    pathProblem(shape),
    accessProblem(access),
    description.body && !takesBody ? `a ${method} request takes no body` : null,
    ...bodyProblems(description, takesBody),
    ...Object.entries({ body, params: description.params, query: description.query }).map(inputProblem),
    ...Object.entries(description.replies ?? {}).map(replyProblem),
    typeof description.handler === 'function' ? null : 'it has no handler',
  ].filter((problem) => problem !== null)
  if (problems.length > 0) throw new TypeError(`${name}: ${problems.join('; ')}`)
  return {
    ...description,
    body,
    params: description.params ?? null,
    query: description.query ?? null,
    bodyOptional: body !== null && body.safeParse({}).success,
    repeatable: new Set(listsIn(description.query)),
    handler: description.handler as Route['handler'],
  }
}

/** Why this is not a rule that says who may call, or null. */
export function accessProblem(access: unknown): string | null {
  if (access === 'anyone' || access === 'signed-in') return null
  const roles = (access as { roles?: unknown } | null | undefined)?.roles
  const named = Array.isArray(roles) && roles.length > 0 && roles.every((role) => typeof role === 'string')
  return named ? null : "say who may call it: access is 'anyone', 'signed-in' or { roles: [...] }"
}

/** Why a path can't be routed, or null. */
export function pathProblem(path: unknown): string | null {
  const understood =
    typeof path === 'string' &&
    /^\/(?:(?::?[A-Za-z0-9_.-]+\/)*(?::?[A-Za-z0-9_.-]+|\*[A-Za-z0-9_]+))?$/.test(path)
  return understood ? null : 'not a path that routes understand'
}

function bodyProblems({ form, multipart, raw, bodyLimit }: RouteDescription, takesBody: boolean): string[] {
  const kinds = [form, multipart, raw].filter((kind) => kind === true).length
  const whole = bodyLimit === undefined || (Number.isSafeInteger(bodyLimit) && bodyLimit > 0)
  return [
    ...(kinds > 1 ? ['its body is one of form, multipart and raw'] : []),
    ...(kinds > 0 && !takesBody ? ['it takes no body, of whatever kind'] : []),
    ...(whole ? [] : ['bodyLimit is a number of bytes']),
  ]
}

function inputProblem([part, schema]: [string, unknown]): string | null {
  if (schema === null || schema === undefined) return null
  const wrong = schemaProblem(schema)
  if (wrong !== null) return `its ${part} ${wrong}`
  return namesItsFields(schema as z.ZodType) ? null : `use z.strictObject for its ${part}`
}

function replyProblem([status, reply]: [string, Reply]): string | null {
  const wrong = reply.body === undefined ? null : schemaProblem(reply.body)
  return wrong === null ? null : `the body of its reply ${status} ${wrong}`
}
