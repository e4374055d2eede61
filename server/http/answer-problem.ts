import type { ServerResponse } from 'node:http'
import { problemBody, problemContentType, type Problem } from '../../shared/app/problem.ts'

/** Answers with a problem where no middleware runs. */
export function answerProblem(res: ServerResponse, problem: Problem): void {
  const body = problemBody(problem)
  res.writeHead(problem.status, {
    ...problem.headers,
    'Content-Length': Buffer.byteLength(body),
    'Content-Type': problemContentType,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  })
  res.end(body)
}
