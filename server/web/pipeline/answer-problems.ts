import type { Logger } from '../../../shared/telemetry/log.ts'
import { createRepeats, type Repeats } from '../../../shared/telemetry/repeats.ts'
import type { AppContext, AppMiddleware } from '../../../shared/app/context.ts'
import { asProblem, problemBody, problemContentType, type Problem } from '../../../shared/app/problem.ts'

/**
 * Turns whatever was thrown into problem+json. The cause of a 5xx goes to the log and nowhere else; of those of one route
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
  const { presentProblem } = ctx.state.route ?? {}
  ctx.set('Cache-Control', 'no-store')
  if (presentProblem) return presentProblem(ctx, problem)
  ctx.status = problem.status
  ctx.set(problem.headers)
  ctx.set('Content-Type', problemContentType)
  ctx.body = problemBody(problem, ctx.state.requestId)
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
