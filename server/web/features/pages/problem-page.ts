import type { AppContext } from '../../../../shared/app/context.ts'
import { html } from '../../../../shared/app/html.ts'
import type { Problem } from '../../../../shared/app/problem.ts'
import { textsOf } from './locale.ts'
import { answerPage, redirect } from './page.ts'
import { signInPath } from './sign-in-path.ts'

/** How a page tells its reader of a problem: who is not signed in is sent to sign in, and comes back afterwards. */
export function answerProblemAsPage(ctx: AppContext, problem: Problem): void {
  if (problem.status === 401 && ctx.site.hasSignIn) return redirect(ctx, signInPath(ctx.url))
  const { 'WWW-Authenticate': _forPrograms, ...headers } = problem.headers
  ctx.set(headers)
  const { common, problems } = textsOf(ctx)
  const { title, text } = problems.told(problem)
  const main = html`<p role="alert">${text}</p>
    <p class="fine-print">${common.request(ctx.state.requestId)}</p>`
  answerPage(ctx, { title, main, width: 'narrow' }, problem.status)
}

export { signInPath }
