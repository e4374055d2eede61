import type { z } from 'zod'
import type { AppContext } from '../../../../shared/app/context.ts'
import type { Problem } from '../../../../shared/app/problem.ts'
import type { Parts } from '../../../../shared/app/parts.ts'
import { defineRoute, type Access, type Input, type Route } from '../../../../shared/app/route.ts'
import { textsOf } from './locale.ts'
import { leaveNotice, type Notice } from './notice.ts'
import { redirect } from './page.ts'
import { answerProblemAsPage, signInPath } from './problem-page.ts'

/** Where the browser goes on, and what the page there says; nothing where the handler has answered itself. */
export type Outcome = { readonly notice?: Notice; readonly to?: string } | void

/**
 * What a form of a page does. It is taken from our own pages only (Sec-Fetch-Site or Origin, as every form is), and ends
 * with a redirect to the page `back`, which says what came of it: sent twice or reloaded, nothing is done again.
 *
 * Who is not signed in any more signs in and comes back to the page, not to the action. What the form got wrong is said
 * on the page too; what the user may not do, and an outage, has a page of its own.
 */
export function defineAction<Body extends z.ZodType>(description: {
  readonly path: string
  /** The page with the form: a path, or what it is for this request. */
  readonly back: string | ((ctx: AppContext) => string)
  readonly access: Access
  readonly summary: string
  readonly body: Body
  readonly limits?: readonly string[]
  readonly inMaintenance?: 'open'
  /** Says it in other words, or answers it; undefined: as usual. */
  readonly tell?: (ctx: AppContext, problem: Problem) => string | undefined
  readonly handler: (
    ctx: AppContext,
    input: Input<z.output<Body>>,
    parts: Parts,
  ) => Promise<Outcome> | Outcome
}): Route {
  const { back, handler, tell = () => undefined, ...rest } = description
  const backFrom = (ctx: AppContext) => (typeof back === 'string' ? back : back(ctx))

  function answerProblem(ctx: AppContext, problem: Problem): void {
    const { status, type } = problem
    if (status === 401 && ctx.site.hasSignIn) return redirect(ctx, `${signInPath(backFrom(ctx))}&out=expired`)
    const text = tell(ctx, problem)
    const onPage = text !== undefined || (status < 500 && ![401, 403, 429].includes(status))
    if (!onPage && type !== 'revocation-unconfirmed') return answerProblemAsPage(ctx, problem)
    leaveNotice(ctx, { kind: 'fault', text: text ?? textsOf(ctx).problems.told(problem).text })
    redirect(ctx, backFrom(ctx))
  }

  return defineRoute({
    ...rest,
    method: 'POST',
    form: true,
    page: true,
    replies: { 303: { description: 'Done; back to the page' } },
    presentProblem: answerProblem,
    async handler(ctx, input, parts) {
      const outcome = await handler(ctx, input as Input<z.output<Body>>, parts)
      if (!outcome) return
      if (outcome.notice) leaveNotice(ctx, outcome.notice)
      redirect(ctx, outcome.to ?? backFrom(ctx))
    },
  })
}
