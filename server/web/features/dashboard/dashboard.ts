/**
 * The dashboard of queues: bull-board's page, files and API as routes like all others, so that what guards those
 * guards these. Who may look and who may act is said here; bull-board itself asks no one.
 */
import { randomBytes } from 'node:crypto'
import type { AppControllerRoute, ControllerHandlerReturnType } from '@bull-board/api/typings/app'
import { z } from 'zod'
import { operators, viewers } from '../../../../shared/accounts/roles.ts'
import type { Queues } from '../../../../shared/queues/queues.ts'
import { navigationOf } from '../admin/admin-page.ts'
import type { AccountStore } from '../../../../shared/accounts/accounts.ts'
import type { RecordAuthEvent } from '../auth/auth-events.ts'
import { requireIdentity, type AppContext } from '../../../../shared/app/context.ts'
import type { ActionFacts } from '../../../../shared/queues/dashboard/action-facts.ts'
import {
  audited,
  factsOf,
  problemOfApi,
  runOnBoard,
  withoutButtons,
} from '../../../../shared/queues/dashboard/api.ts'
import { objectionTo } from '../../../../shared/queues/dashboard/board/actions.ts'
import { openBoard, type Board } from '../../../../shared/queues/dashboard/board/board.ts'
import {
  boardPolicy,
  filePolicy,
  loadEntryPage,
} from '../../../../shared/queues/dashboard/board/entry-page.ts'
import {
  listStaticFiles,
  boardScript,
  boardStyle,
  type StaticFile,
} from '../../../../shared/queues/dashboard/board/static-files.ts'
import { relativeTo } from '../pages/local-path.ts'
import { headerFor, preparePage, sessionScriptOf } from '../pages/page.ts'
import { answerProblemAsPage } from '../pages/problem-page.ts'
import { problemBody, problemContentType, type Problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Access, type Input, type Route } from '../../../../shared/app/route.ts'

export interface DashboardParts {
  readonly queues: Pick<Queues, 'jobs' | 'bull' | 'enqueue'>
  readonly recordAuthEvent: RecordAuthEvent
  readonly accounts: Pick<AccountStore, 'emailsOf'>
}

const home = '/admin/queues'
const readers: Access = { roles: viewers }
const actors = { roles: operators } as const satisfies Access
const replies = { 200: { description: 'As bull-board has it' } }

export function dashboardRoutes({ queues, recordAuthEvent, accounts }: DashboardParts): Route[] {
  const board = openBoard(queues, [{ text: 'Your account', url: '../../sign-in' }])
  const script = boardScript()
  return [
    ...pageRoutes(board, script.path),
    ...[script, boardStyle(), ...listStaticFiles(board.staticPath)].map(fileRoute),
    ...board.api.map((route) => apiRoute(route, board, queues.jobs, recordAuthEvent, accounts)),
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
      ...(path === home ? { navigation: navigationOf('queues') } : {}),
      handler(ctx) {
        const nonce = randomBytes(16).toString('base64')
        preparePage(ctx, boardPolicy(nonce, 'self'))
        const session = sessionScriptOf(ctx, `${home}/`, requireIdentity(ctx).identity.user)
        // Its links begin at the base of the page, not at where it is.
        const header = headerFor(ctx, `${home}/page`)
        ctx.vary('Accept-Language')
        ctx.body = entryPage({ base: relativeTo(ctx.path, `${home}/`), nonce, session, header })
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
  accounts: DashboardParts['accounts'],
): Route {
  /** In the audited part: that someone tried is worth to know. */
  function refuseUnlessAllowed(ctx: AppContext, { params }: Input): void {
    const { queueName = '' } = (params ?? {}) as Record<string, string>
    const { user } = requireIdentity(ctx).identity
    const objection = objectionTo(String(route.route), jobs.get(queueName), user.roles)
    if (objection) throw objection
  }
  const method = String(route.method).toUpperCase() as Method
  const reads = method === 'GET'
  const run = ({ params, query, body }: Input) =>
    runOnBoard(route, board, {
      params: (params ?? {}) as Record<string, string>,
      query: query as Record<string, string>,
      body: (body ?? {}) as Record<string, unknown>,
    })
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
        ? forReader(ctx, await namingActors(accounts, await run(input)))
        : await audited(
            (facts) => record(ctx, recordAuthEvent, facts),
            factsOf(route, (input.params ?? {}) as Record<string, string>),
            async () => {
              refuseUnlessAllowed(ctx, input)
              return run(input)
            },
          )
      ctx.status = status
      ctx.body = status === 204 ? null : body
    },
  })
}

function answerProblemOfApi(ctx: AppContext, problem: Problem): void {
  ctx.status = problem.status
  ctx.set({ ...problem.headers, 'Content-Type': problemContentType })
  ctx.body = problemBody(problemOfApi(problem), ctx.state.requestId)
}

function forReader(ctx: AppContext, answer: ControllerHandlerReturnType): ControllerHandlerReturnType {
  return mayAct(ctx) ? answer : withoutButtons(answer)
}

function mayAct(ctx: AppContext): boolean {
  const { user } = requireIdentity(ctx).identity
  return user.roles.some((role) => (actors.roles as readonly string[]).includes(role))
}

/** In the audit trail. */
function record(ctx: AppContext, recordAuthEvent: RecordAuthEvent, facts: ActionFacts): void {
  const subject = [facts.queue ?? '*', facts.job].filter((part) => part !== undefined).join('/')
  recordAuthEvent(ctx, 'queue-action', { subject, ...facts })
}

function paramsOf(path: string) {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name as string)
  return z.strictObject(Object.fromEntries(names.map((name) => [name, text])))
}

interface ShownJob {
  data: unknown
}

/**
 * Says by e-mail address who asked for a job: nobody knows people by their ids. A copy that begins with it is one of the
 * payload alone.
 */
async function namingActors(
  accounts: DashboardParts['accounts'],
  answer: ControllerHandlerReturnType,
): Promise<ControllerHandlerReturnType> {
  const { queues, job } = (answer.body ?? {}) as { queues?: { jobs?: ShownJob[] }[]; job?: ShownJob }
  const listed = Array.isArray(queues) ? queues.flatMap(({ jobs = [] }) => jobs) : []
  const jobs = job ? [...listed, job] : listed
  const ids = jobs.map(actorOf).filter((id) => id !== null)
  if (ids.length === 0) return answer
  // Without the accounts the ids are better than nothing.
  const emails = await accounts.emailsOf(ids).catch(() => new Map<string, string>())
  for (const shown of jobs) {
    const email = emails.get(actorOf(shown) ?? '')
    if (email !== undefined) shown.data = { ...(shown.data as object), by: email }
  }
  return answer
}

function actorOf({ data }: ShownJob): string | null {
  const { by } = (data ?? {}) as { by?: unknown }
  return typeof by === 'string' ? by : null
}
