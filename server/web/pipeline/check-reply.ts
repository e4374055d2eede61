/** What a handler has answered, looked at before it is sent: a mistake in it is ours, and told in the log. */
import { Stream } from 'node:stream'
import type { AppContext } from '../../../shared/app/context.ts'
import type { Route } from '../../../shared/app/route.ts'

/** A handler that sets neither status nor body has forgotten something: Koa would answer 404, as if there were no route. */
export function requireAnswer(ctx: AppContext, route: Route): void {
  if (ctx.status !== 404 || ctx.body !== undefined || ctx.respond === false || ctx.res.headersSent) return
  const { _explicitStatus: isMeant } = ctx.response as { _explicitStatus?: boolean }
  if (isMeant) return
  throw new Error(`the handler of ${nameOf(route)} answered nothing: it sets neither ctx.body nor ctx.status`)
}

/** The JSON of an answer has to be what the route says: a field too many may be a secret. */
export function requireDeclared(ctx: AppContext, route: Route): void {
  const schema = route.replies[ctx.status]?.body
  if (schema === undefined || !isJson(ctx.body)) return
  const result = schema.safeParse(JSON.parse(JSON.stringify(ctx.body)))
  if (result.success) return
  const wrong = result.error.issues.map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`)
  throw new Error(
    `the reply ${ctx.status} of ${nameOf(route)} is not what the route says: ${wrong.join('; ')}`,
  )
}

function isJson(body: unknown): body is object {
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body) && !(body instanceof Stream)
}

function nameOf({ method, path }: Route): string {
  return `${method} ${path}`
}
