import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { problem } from '../../../shared/app/problem.ts'
import { methods } from '../../../shared/app/route.ts'

/** The end of the chain, for what no route answers: says why, and answers OPTIONS. */
export function explainAbsence(): AppMiddleware {
  return function explainAbsentRoute(ctx) {
    const { method } = ctx.req
    const here = methodsAt(ctx)
    const allow = [...here, 'OPTIONS'].join(', ')
    // TRACE, which would echo secrets, WebDAV's and whatever else Node reads: nowhere, and no fault of ours (5xx).
    if (!isAnswered(method)) {
      throw problem('method-not-allowed', `${method} is not answered`, { headers: { Allow: allow } })
    }
    if (here.length === 0) throw problem('not-found', 'there is nothing at this path')
    if (method !== 'OPTIONS') {
      throw problem('method-not-allowed', `this path answers ${allow}`, { headers: { Allow: allow } })
    }
    ctx.set('Allow', allow)
    ctx.status = 204
  }
}

const answered: readonly string[] = [...methods, 'HEAD', 'OPTIONS']

function isAnswered(method: string | undefined): boolean {
  return method !== undefined && answered.includes(method)
}

/** Of all routes at this path, as the routers have noted them on the way here. */
function methodsAt(ctx: AppContext): string[] {
  if (ctx.path === '*') return ['HEAD', ...methods]
  const matched = (ctx as { matched?: readonly { methods: readonly string[] }[] }).matched ?? []
  return [...new Set(matched.flatMap((layer) => layer.methods))].sort()
}
