import type { z } from 'zod'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { fieldErrors } from '../../http/field-errors.ts'
import { invalidFields, problem } from '../../../shared/app/problem.ts'
import {
  bodyLimitBytes,
  readFormBody,
  readJsonBody,
  readMultipartBody,
  readRawBody,
} from '../../http/request-body.ts'
import { isListSchema } from '../../../shared/kernel/zod-schema.ts'
import { requireAnswer, requireDeclared } from './check-reply.ts'
import type { Parts } from '../../../shared/app/parts.ts'
import type { Input, Route } from '../../../shared/app/route.ts'

const nothing: Input = { body: undefined, params: undefined, query: undefined }

export interface RunRouteOptions {
  /** What the handler of a route works with. */
  readonly partsOf: (route: Route) => Parts
  /** Makes `ctx.session` true around what it runs. */
  readonly sessionData: AppMiddleware
  /** Whether an answer that is not what the route says is a fault. */
  readonly checkReplies: boolean
}

/** Reads and checks what the route takes, and hands it to the route's handler. Last in the chain. */
export function runRoutes({ partsOf, sessionData, checkReplies }: RunRouteOptions): AppMiddleware {
  function handle(ctx: AppContext, route: Route, input: Input): Promise<void> | void {
    const answering = route.session
      ? sessionData(ctx, async () => surrounded(ctx, route, input))
      : surrounded(ctx, route, input)
    if (!isPromise(answering)) return finish(ctx, route)
    return withinTime(answering, route).then(() => finish(ctx, route))
  }

  function surrounded(ctx: AppContext, route: Route, input: Input): Promise<void> | void {
    const { around, handler } = route
    // Third-party middleware expects a promise, also from a handler that is done or throws at once.
    if (around) return around(ctx, async () => handler(ctx, input, partsOf(route)))
    return handler(ctx, input, partsOf(route))
  }

  function finish(ctx: AppContext, route: Route): void {
    requireAnswer(ctx, route)
    if (checkReplies) requireDeclared(ctx, route)
  }

  return function runRoute(ctx) {
    const { route } = ctx.state
    if (route === null) throw new Error('no route was found before')
    const hasQuery = ctx.req.url?.includes('?') === true
    const takesNothing = route.body === null && route.params === null && route.query === null && !route.raw
    if (takesNothing && !hasQuery) return handle(ctx, route, nothing)
    return readInput(ctx, route).then((input) => handle(ctx, route, input))
  }
}

/** Handlers are anybody's: what they return is a promise when it can be waited for. */
function isPromise(value: unknown): value is Promise<void> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

const usualTimeoutMs = 60_000

/** A handler that never ends must not keep its client for ever. What it still does then reaches no one. */
function withinTime(answering: Promise<void>, { timeoutMs = usualTimeoutMs }: Route): Promise<void> {
  if (timeoutMs === Infinity) return answering
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(problem('unavailable', `there was no answer within ${timeoutMs} ms, please try again`))
    }, timeoutMs)
    answering.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

async function readInput(ctx: AppContext, route: Route): Promise<Input> {
  const query = readQuery(ctx.req.url ?? '', route.repeatable)
  return {
    params: check(route.params, ctx.state.params),
    query: check(route.query, query),
    body: await readBody(ctx, route),
  }
}

async function readBody({ req }: AppContext, route: Route): Promise<unknown> {
  const { form, multipart, raw, body, bodyOptional: optional, bodyLimit: limitBytes = bodyLimitBytes } = route
  if (raw) return readRawBody(req, limitBytes)
  if (body === null) return undefined
  if (form) return check(body, await readFormBody(req, limitBytes))
  if (multipart) return check(body, await readMultipartBody(req, limitBytes))
  return check(body, await readJsonBody(req, { optional, limitBytes, list: isListSchema(body) }))
}

function check(schema: z.ZodType | null, value: unknown): unknown {
  if (schema === null) return undefined
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  throw invalidFields(fieldErrors(result.error))
}

function readQuery(url: string, repeatable: ReadonlySet<string>): Record<string, string | string[]> {
  const start = url.indexOf('?')
  if (start < 0) return {}
  const found = new Map<string, string | string[]>()
  for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
    if (repeatable.has(name)) {
      found.set(name, [...(found.get(name) ?? []), value])
    } else if (found.has(name)) {
      throw problem('duplicate-parameter', `the query parameter ${name.slice(0, 64)} is there twice`)
    } else {
      found.set(name, value)
    }
  }
  return Object.fromEntries(found)
}
