import type { AppContext } from '../../../../shared/app/context.ts'
import type { Problem } from '../../../../shared/app/problem.ts'
import { html } from '../../../../shared/app/html.ts'
import { relativeTo } from './local-path.ts'
import { answerPage, redirect } from './page.ts'

/** How a page tells its reader of a problem: who is not signed in is sent to sign in, and comes back afterwards. */
export function answerProblemAsPage(ctx: AppContext, problem: Problem): void {
  if (problem.status === 401) return redirect(ctx, signInPath(ctx.url))
  const { 'WWW-Authenticate': _forPrograms, ...headers } = problem.headers
  ctx.set(headers)
  const main = html`<p role="alert">${sentence(problem.message)}</p>
    <p><a href="${relativeTo(ctx.path, '/sign-in')}">Your account</a></p>
    <p class="fine-print">Request ${ctx.state.requestId}</p>`
  answerPage(ctx, { title: problem.title, main }, problem.status)
}

export function signInPath(next: string | null): string {
  return next === null ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`
}

/** Details of problems are written to follow a colon. */
export function sentence(detail: string): string {
  return `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.`
}
