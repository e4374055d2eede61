/**
 * The dashboard of queues: bull-board's page, files and API as routes like all others, so that what guards those
 * guards these. Who may look and who may act is said here; bull-board itself asks nobody.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { AppControllerRoute, ControllerHandlerReturnType } from '@bull-board/api/typings/app'
import { z } from 'zod'
import { operators, viewers } from '../../../../shared/accounts/roles.ts'
import type { Queues } from '../../../../shared/queues/queues.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import { objectionTo } from '../../../../shared/queues/dashboard/board/actions.ts'
import { openBoard, type Board } from '../../../../shared/queues/dashboard/board/board.ts'
import {
  boardPolicy,
  filePolicy,
  loadEntryPage,
} from '../../../../shared/queues/dashboard/board/entry-page.ts'
import { attempt } from '../../../../shared/queues/dashboard/board/failures.ts'
import {
  listStaticFiles,
  staticFile,
  type StaticFile,
} from '../../../../shared/queues/dashboard/board/static-files.ts'
import { relativeTo } from '../pages/local-path.ts'
import { preparePage } from '../pages/page.ts'
import { answerProblemAsPage } from '../pages/problem-page.ts'
import { Problem, problemBody, problemContentType } from '../../../../shared/app/problem.ts'
import { defineRoute, type Access, type Input, type Route } from '../../../../shared/app/route.ts'

export interface DashboardParts {
  readonly queues: Pick<Queues, 'jobs' | 'bull' | 'enqueue'>
  readonly recordAuthEvent: RecordAuthEvent
}

const home = '/admin/queues'
const readers: Access = { roles: viewers }
const actors = { roles: operators } as const satisfies Access
const replies = { 200: { description: 'As bull-board has it' } }

export function dashboardRoutes({ queues, recordAuthEvent }: DashboardParts): Route[] {
  const board = openBoard(queues)
  const script = staticFile(
    'static/board-page.js',
    join(
      import.meta.dirname,
      '..',
      '..',
      '..',
      '..',
      'shared',
      'queues',
      'dashboard',
      'board',
      'board-page.js',
    ),
  )
  return [
    ...pageRoutes(board, script.path),
    ...[script, ...listStaticFiles(board.staticPath)].map(fileRoute),
    ...board.api.map((route) => apiRoute(route, board, queues.jobs, recordAuthEvent)),
  ]
}

function pageRoutes(board: Board, script: string): Route[] {
  const entryPage = loadEntryPage(board, script)
  const paths = [home, ...[board.page.route].flat().map((path) => `${home}${path}`)]
  return paths.map((path) =>
    defineRoute({
      method: 'GET',
      path,
      access: readers,
      summary: 'The page of the dashboard',
      replies,
      presentProblem: answerProblemAsPage,
      handler(ctx) {
        const nonce = randomBytes(16).toString('base64')
        preparePage(ctx, boardPolicy(nonce))
        ctx.body = entryPage({ base: relativeTo(ctx.path, `${home}/`), nonce })
      },
    }),
  )
}

function fileRoute({ path, send }: StaticFile): Route {
  return defineRoute({
    method: 'GET',
    path: `${home}/${path}`,
    access: readers,
    limits: [],
    summary: 'A file of the dashboard',
    replies,
    async handler(ctx) {
      ctx.set('Content-Security-Policy', filePolicy)
      await send(ctx)
    },
  })
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH'

const text = z.string().max(1_000)
const anyQuery = z.record(z.string(), text)
const anyBody = z.record(z.string(), z.unknown())

/** bull-board checks queries and bodies itself. */
function apiRoute(
  route: AppControllerRoute,
  board: Board,
  jobs: Queues['jobs'],
  recordAuthEvent: RecordAuthEvent,
): Route {
  /** In the audited part: that somebody tried is worth to know. */
  function refuseUnlessAllowed(ctx: AppContext, { params }: Input): void {
    const { queueName = '' } = (params ?? {}) as Record<string, string>
    const { user } = requireIdentity(ctx).identity
    const objection = objectionTo(String(route.route), jobs.get(queueName), user.roles)
    if (objection) throw objection
  }
  const method = String(route.method).toUpperCase() as Method
  const reads = method === 'GET'
  const run = (input: Input) => runOnBoard(route, board, input)
  return defineRoute({
    method,
    path: `${home}${String(route.route)}`,
    access: reads ? readers : actors,
    summary: route.spec.summary,
    replies,
    params: paramsOf(String(route.route)),
    query: anyQuery,
    ...(reads ? {} : { body: anyBody }),
    presentProblem: answerProblemOfApi,
    async handler(ctx, input) {
      const { status = 200, body } = reads
        ? forReader(ctx, await run(input))
        : await audited(ctx, recordAuthEvent, factsOf(route, input), async () => {
            refuseUnlessAllowed(ctx, input)
            return run(input)
          })
      ctx.status = status
      ctx.body = status === 204 ? null : body
    },
  })
}

async function runOnBoard(
  route: AppControllerRoute,
  board: Board,
  { params, query, body }: Input,
): Promise<ControllerHandlerReturnType> {
  const request = {
    queues: board.queues(),
    uiConfig: board.uiConfig,
    params: (params ?? {}) as Record<string, string>,
    query: query as Record<string, string>,
    body: (body ?? {}) as Record<string, unknown>,
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

/** The page shows `error` and `message`. */
function answerProblemOfApi(ctx: AppContext, problem: Problem): void {
  const { status, type, title, message, headers, members } = problem
  const shown = new Problem(status, type, title, message, {
    members: { error: title, message, ...members },
  })
  ctx.status = status
  ctx.set({ ...headers, 'Content-Type': problemContentType })
  ctx.body = problemBody(shown, ctx.state.requestId)
}

/** Shows no buttons to those who may only look. */
function forReader(ctx: AppContext, answer: ControllerHandlerReturnType): ControllerHandlerReturnType {
  const { queues } = answer.body as { queues?: object[] }
  if (!Array.isArray(queues) || mayAct(ctx)) return answer
  const locked = { readOnlyMode: true, allowRetries: false, allowCompletedRetries: false }
  return { ...answer, body: { queues: queues.map((queue) => ({ ...queue, ...locked })) } }
}

function mayAct(ctx: AppContext): boolean {
  const { user } = requireIdentity(ctx).identity
  return user.roles.some((role) => (actors.roles as readonly string[]).includes(role))
}

interface ActionFacts {
  readonly action: string
  readonly queue?: string
  readonly job?: string
  readonly [more: string]: unknown
}

/** What is done to what: `retry` for `/api/queues/:queueName/:jobId/retry`. */
function factsOf(route: AppControllerRoute, { params }: Input): ActionFacts {
  const words = String(route.route).split('/').slice(3)
  const action = words.filter((word) => !word.startsWith(':')).join('-')
  const { queueName: queue, jobId: job, ...others } = (params ?? {}) as Record<string, string>
  return { action, ...(queue ? { queue } : {}), ...(job ? { job } : {}), ...others }
}

/** Notes the action, also one that failed: it may have been done in part. */
async function audited(
  ctx: AppContext,
  recordAuthEvent: RecordAuthEvent,
  facts: ActionFacts,
  act: () => Promise<ControllerHandlerReturnType>,
): Promise<ControllerHandlerReturnType> {
  const record = (more: object) => {
    const all: ActionFacts = { ...facts, ...more }
    const subject = [all.queue ?? '*', all.job].filter((part) => part !== undefined).join('/')
    recordAuthEvent(ctx, 'queue-action', { subject, ...all })
  }
  try {
    const answer = await act()
    const added = (answer.body as { job?: { id?: unknown } } | undefined)?.job?.id
    record({ outcome: 'done', ...(added === undefined ? {} : { job: String(added) }) })
    return answer
  } catch (fault) {
    record({ outcome: fault instanceof Problem ? fault.type : 'failed' })
    throw fault
  }
}

function paramsOf(path: string) {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name as string)
  return z.strictObject(Object.fromEntries(names.map((name) => [name, text])))
}
