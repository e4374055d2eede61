/** bull-board's API as both servers of the dashboard serve it: ours, and any Koa app. */
import type { AppControllerRoute, ControllerHandlerReturnType } from '@bull-board/api/typings/app'
import { Problem } from '../../app/problem.ts'
import type { ActionFacts } from './action-facts.ts'
import type { Board } from './board/board.ts'
import { attempt } from './board/failures.ts'

export interface BoardInput {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
}

/** Throws a `Problem` for what bull-board refuses. */
export async function runOnBoard(
  route: AppControllerRoute,
  board: Board,
  { params, query, body }: BoardInput,
): Promise<ControllerHandlerReturnType> {
  const request = {
    queues: board.queues(),
    uiConfig: board.uiConfig,
    params: { ...params },
    query: { ...query },
    body: { ...body },
    headers: {},
  }
  const answer = await attempt(() => route.handler(request))
  if ((answer.status ?? 200) >= 400) throw refusalOf(answer)
  return answer
}

/** Its own refusals name a text of the page by a key, such as `ERRORS.JOB_NOT_FOUND`. */
function refusalOf({ status = 500, body }: ControllerHandlerReturnType): Problem {
  const { error } = body as { error?: string | { key?: string } }
  const key = typeof error === 'string' ? error : (error?.key ?? '')
  const reason = key
    .replace(/^ERRORS\./, '')
    .replaceAll('_', ' ')
    .toLowerCase()
  const type = status === 404 ? 'not-found' : 'dashboard-refused'
  return new Problem(status, type, 'Refused by the dashboard', reason, { members: { error } })
}

/** A problem as the page shows it, by `error` and `message`. */
export function problemOfApi({ status, type, title, message, headers, members }: Problem): Problem {
  return new Problem(status, type, title, message, {
    headers,
    members: { error: title, message, ...members },
  })
}

/** Shows no buttons: for those who may only look. */
export function withoutButtons(answer: ControllerHandlerReturnType): ControllerHandlerReturnType {
  const { queues } = answer.body as { queues?: object[] }
  if (!Array.isArray(queues)) return answer
  const locked = { readOnlyMode: true, allowRetries: false, allowCompletedRetries: false }
  return { ...answer, body: { queues: queues.map((queue) => ({ ...queue, ...locked })) } }
}

export function factsOf(route: AppControllerRoute, params: Readonly<Record<string, string>>): ActionFacts {
  const words = String(route.route).split('/').slice(3)
  const action = words.filter((word) => !word.startsWith(':')).join('-')
  const { queueName: queue, jobId: job, ...others } = params
  return { action, ...(queue ? { queue } : {}), ...(job ? { job } : {}), ...others }
}

/** Notes the action, also one that failed: it may have been done in part. */
export async function audited(
  record: (facts: ActionFacts) => void,
  facts: ActionFacts,
  act: () => Promise<ControllerHandlerReturnType>,
): Promise<ControllerHandlerReturnType> {
  try {
    const answer = await act()
    const added = (answer.body as { job?: { id?: unknown } } | undefined)?.job?.id
    record({ ...facts, outcome: 'done', ...(added === undefined ? {} : { job: String(added) }) })
    return answer
  } catch (fault) {
    record({ ...facts, outcome: fault instanceof Problem ? fault.type : 'failed' })
    throw fault
  }
}
