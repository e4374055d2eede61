import type { z } from 'zod'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { fieldErrors } from '../../http/field-errors.ts'
import { invalidFields, problem } from '../../../shared/app/problem.ts'
import { readFormBody, readJsonBody } from '../../http/request-body.ts'
import type { Parts } from '../../../shared/app/parts.ts'
import type { Input, Route } from '../../../shared/app/route.ts'

const nothing: Input = { body: undefined, params: undefined, query: undefined }

export interface RunRouteOptions {
  /** What the handler of a route works with. */
  readonly partsOf: (route: Route) => Parts
  /** Makes `ctx.session` true around what it runs. */
  readonly sessionData: AppMiddleware
}

/** Reads and checks what the route takes, and hands it to the route's handler. Last in the chain. */
export function runRoutes({ partsOf, sessionData }: RunRouteOptions): AppMiddleware {
  function handle(ctx: AppContext, route: Route, input: Input): Promise<void> | void {
    return route.session
      ? sessionData(ctx, async () => surrounded(ctx, route, input))
      : surrounded(ctx, route, input)
  }

  function surrounded(ctx: AppContext, route: Route, input: Input): Promise<void> | void {
    const { around, handler } = route
    // Somebody else's middleware expects a promise, also from a handler that is done or throws at once.
    if (around) return around(ctx, async () => handler(ctx, input, partsOf(route)))
    return handler(ctx, input, partsOf(route))
  }

  return function runRoute(ctx) {
    const { route } = ctx.state
    if (route === null) throw new Error('no route was found before')
    const hasQuery = ctx.req.url?.includes('?') === true
    if (route.body === null && route.params === null && route.query === null && !hasQuery) {
      return handle(ctx, route, nothing)
    }
    return readInput(ctx, route).then((input) => handle(ctx, route, input))
  }
}

async function readInput(ctx: AppContext, route: Route): Promise<Input> {
  const query = readQuery(ctx.req.url ?? '')
  return {
    params: check(route.params, ctx.state.params),
    query: check(route.query, query),
    body: route.body === null ? undefined : check(route.body, await readBody(ctx, route)),
  }
}

function readBody({ req }: AppContext, { form, bodyOptional }: Route): Promise<object> {
  return form ? readFormBody(req) : readJsonBody(req, bodyOptional)
}

function check(schema: z.ZodType | null, value: unknown): unknown {
  if (schema === null) return undefined
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  throw invalidFields(fieldErrors(result.error))
}

function readQuery(url: string): Record<string, string> {
  const start = url.indexOf('?')
  if (start < 0) return {}
  const found = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
    if (found.has(name)) {
      throw problem('duplicate-parameter', `the query parameter ${name.slice(0, 64)} is there twice`)
    }
    found.set(name, value)
  }
  return Object.fromEntries(found)
}
