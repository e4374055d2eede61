import type { Logger } from '../../../shared/telemetry/log.ts'
import { createRepeats, type Repeats } from '../../../shared/telemetry/repeats.ts'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { asProblem, problemBody, problemContentType, type Problem } from '../../../shared/app/problem.ts'
import { probes } from '../features/health/health.ts'
import { answerProblemAsPage } from '../features/pages/problem-page.ts'

/**
 * Turns whatever was thrown into problem+json, or into a page for people who follow a link. The cause of a 5xx goes to the log and nowhere else; of those of one route
 * the first of each minute, since anybody may be able to cause them.
 */
export function answerProblems(log: Logger): AppMiddleware {
  const repeats = createRepeats({ most: 20, mostOfAll: 200 })

  function explain(ctx: AppContext, fault: unknown): void {
    const problem = asProblem(fault)
    if (problem.status >= 500) report(log, repeats, ctx, problem)
    answer(ctx, problem)
  }

  return function answerProblem(ctx, next) {
    try {
      return next()?.catch((fault: unknown) => explain(ctx, fault))
    } catch (fault) {
      explain(ctx, fault)
    }
  }
}

function answer(ctx: AppContext, problem: Problem): void {
  const { presentProblem, page } = ctx.state.route ?? {}
  ctx.set('Cache-Control', 'no-store')
  if (presentProblem) return presentProblem(ctx, problem)
  if (page) return answerProblemAsPage(ctx, problem)
  if (isForReaders(ctx, problem)) {
    ctx.vary('Accept')
    return answerProblemAsPage(ctx, problem)
  }
  ctx.status = problem.status
  ctx.set(problem.headers)
  ctx.set('Content-Type', problemContentType)
  ctx.body = problemBody(problem, ctx.state.requestId)
}

/** What a person may meet who follows a link. 401 stays an answer for programs: pages send to sign in by themselves. */
const shown: ReadonlySet<number> = new Set([403, 404, 405, 429, 500, 503])
const forMonitors: ReadonlySet<string> = new Set(Object.values(probes))

/** Whether a browser shows the answer: it asks for HTML before JSON, which programs and scripts of pages do not. */
function isForReaders(ctx: AppContext, { status }: Problem): boolean {
  const { route } = ctx.state
  if (!shown.has(status) || (route !== null && forMonitors.has(route.path))) return false
  const follows = route === null || ctx.method === 'GET' || ctx.method === 'HEAD'
  return follows && ctx.accepts('json', 'html') === 'html'
}

function report(log: Logger, repeats: Repeats, ctx: AppContext, problem: Problem): void {
  const { requestId, route } = ctx.state
  const admitted = repeats.admit(`${problem.type} ${ctx.method} ${route?.path ?? ''}`)
  if (admitted === null) return
  const facts = {
    err: problem.cause ?? problem,
    problem: problem.type,
    route: route?.path ?? null,
    requestId,
    ...(admitted.leftOut > 0 ? { leftOut: admitted.leftOut } : {}),
  }
  // An outage is one story told by the first line about it; a fault of our own code is one to look into.
  if (problem.status === 500) log.error(facts, 'request failed')
  else log.warn(facts, 'request could not be served')
}
