/**
 * The dashboard of queues for any Koa app, behind that app's own rule:
 *
 * ```ts
 * app.use(queueDashboard({ queues, access: (ctx) => ctx.auth.identity?.user.roles.includes('admin') && 'act' }))
 * ```
 *
 * No one gets in without the rule, which has no default. What changes something must come from the page itself, whatever
 * the rule says; payload fields that look secret are hidden; the page runs under a strict policy.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { AppControllerRoute } from '@bull-board/api/typings/app'
import type Koa from 'koa'
import { asProblem, problem, problemBody, problemContentType } from '../../app/problem.ts'
import { unknownOptions } from '../../domain/option-problems.ts'
import { requireOptions } from '../../domain/part-place.ts'
import { ConfigurationError } from '../../kernel/errors.ts'
import type { Queues } from '../queues.ts'
import type { ActionFacts } from './action-facts.ts'
import { audited, factsOf, problemOfApi, runOnBoard, withoutButtons } from './api.ts'
import { objectionTo } from './board/actions.ts'
import { openBoard, type Board } from './board/board.ts'
import { boardPolicy, filePolicy, loadEntryPage } from './board/entry-page.ts'
import { boardScript, boardStyle, listStaticFiles } from './board/static-files.ts'

export type DashboardContext = Koa.ParameterizedContext<Koa.DefaultState, Koa.DefaultContext>

/**
 * `act` may look and act, `read` may look; everything else may nothing. With `roles`, jobs whose `enqueue` names roles can
 * be added by those who have one of them.
 */
export type DashboardAccess =
  'act' | 'read' | { readonly act: boolean; readonly roles: readonly string[] } | false | null | undefined

export interface QueueDashboardOptions {
  /** What `openQueues` gave; it may be started later. */
  readonly queues: { use(): Queues }
  /**
   * Asked for every request to the dashboard, its files included. Where it answers by itself (a redirect to the sign-in, an
   * error that it throws) that is the answer; else who may not gets 403.
   */
  readonly access: (ctx: DashboardContext) => DashboardAccess | Promise<DashboardAccess>
  /** Where it is; `/admin/queues`. Under koa-mount: `/`. */
  readonly path?: string
  /** Called with each action that someone tried, for an audit trail. */
  readonly onAction?: (ctx: DashboardContext, facts: ActionFacts) => void
}

export type DashboardMiddleware = (ctx: DashboardContext, next: () => Promise<unknown>) => Promise<unknown>

interface Allowed {
  readonly act: boolean
  readonly roles: readonly string[]
}

type Serve = (ctx: DashboardContext, allowed: Allowed, params: Record<string, string>) => Promise<void> | void

interface Entry {
  readonly method: string
  readonly pattern: RegExp
  readonly api: boolean
  readonly serve: Serve
}

const known = ['queues', 'access', 'path', 'onAction']
const mostBodyBytes = 1024 * 1024

/** Throws a `ConfigurationError` when it was given no rule. */
export function queueDashboard(options: QueueDashboardOptions): DashboardMiddleware {
  refuseMistakes(options)
  const { access } = options
  const home = (options.path ?? '/admin/queues').replace(/\/+$/, '')
  const entries = entriesOf(options, home)

  return async function queueDashboardMiddleware(ctx, next) {
    const { path } = ctx
    if (path !== home && !path.startsWith(`${home}/`)) return next()
    ctx.set({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' })
    const allowed = allowedBy(await access(ctx))
    if (allowed === null)
      return hasAnswered(ctx) ? undefined : refuse(ctx, problem('forbidden', 'you may not see the queues'))
    const found = findEntry(
      entries,
      ctx.method === 'HEAD' ? 'GET' : ctx.method,
      path.slice(home.length) || '/',
    )
    if (found === null) return refuse(ctx, problem('not-found', 'the dashboard has no such page'))
    try {
      if (ctx.method !== 'GET' && ctx.method !== 'HEAD') refuseCrossSite(ctx)
      await found.entry.serve(ctx, allowed, found.params)
    } catch (fault) {
      const told = asProblem(fault)
      if (told.status >= 500) ctx.app.emit('error', fault as Error, ctx as never)
      refuse(ctx, found.entry.api ? problemOfApi(told) : told)
    }
  }
}

function entriesOf({ queues, onAction = () => {} }: QueueDashboardOptions, home: string): Entry[] {
  const board = openBoard({
    get jobs() {
      return queues.use().jobs
    },
    bull: (name) => queues.use().bull(name),
    enqueue: (job, payload, about) => queues.use().enqueue(job, payload, about),
  })
  const script = boardScript()
  const page = pageOf(board, script.path, home)
  return [
    ...['/', ...[board.page.route].flat().map(String)].map((path) => entryAt('GET', path, page)),
    ...[script, boardStyle(), ...listStaticFiles(board.staticPath)].map(({ path, send }) =>
      entryAt('GET', `/${path}`, async (ctx) => {
        ctx.set('Content-Security-Policy', filePolicy)
        await send(ctx)
      }),
    ),
    ...board.api.map((route) => {
      const serve = apiOf(route, board, queues, onAction)
      return entryAt(String(route.method).toUpperCase(), String(route.route), serve, true)
    }),
  ]
}

function pageOf(board: Board, script: string, home: string): Serve {
  const entryPage = loadEntryPage(board, script, 'reload')
  return (ctx) => {
    const nonce = randomBytes(16).toString('base64')
    ctx.set({
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': boardPolicy(nonce),
      'Referrer-Policy': 'same-origin',
    })
    // Relative, so that it is right wherever a proxy or koa-mount puts us.
    const below = ctx.path.slice(home.length)
    const [whole = ''] = ctx.originalUrl.split('?')
    const atHome = below === '' || below === '/'
    const base =
      atHome && !whole.endsWith('/')
        ? `./${whole.slice(whole.lastIndexOf('/') + 1)}/`
        : `./${'../'.repeat(Math.max(0, below.split('/').length - 2))}`
    ctx.body = entryPage({ base, nonce })
  }
}

function apiOf(
  route: AppControllerRoute,
  board: Board,
  queues: QueueDashboardOptions['queues'],
  onAction: NonNullable<QueueDashboardOptions['onAction']>,
): Serve {
  const reads = String(route.method).toUpperCase() === 'GET'
  return async (ctx, allowed, params) => {
    const query = Object.fromEntries(
      Object.entries(ctx.query).flatMap(([name, value]) =>
        typeof value === 'string' ? [[name, value]] : [],
      ),
    )
    if (reads) {
      const answer = await runOnBoard(route, board, { params, query, body: {} })
      return send(ctx, allowed.act ? answer : withoutButtons(answer))
    }
    const body = await bodyOf(ctx)
    const answer = await audited(
      (facts) => onAction(ctx, facts),
      factsOf(route, params),
      async () => {
        if (!allowed.act) throw problem('forbidden', 'you may look at the queues only')
        const job = queues.use().jobs.get(params['queueName'] ?? '')
        const objection = objectionTo(String(route.route), job, allowed.roles)
        if (objection) throw objection
        return runOnBoard(route, board, { params, query, body })
      },
    )
    send(ctx, answer)
  }
}

function send(ctx: DashboardContext, { status = 200, body }: { status?: number; body?: unknown }): void {
  ctx.status = status
  ctx.body = status === 204 ? null : body
}

/** `/api/queues/:queueName/:jobId`, a name standing for one segment. */
function entryAt(method: string, path: string, serve: Serve, api = false): Entry {
  const source = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:(\w+)/g, '(?<$1>[^/]+)')
  return { method, pattern: new RegExp(`^${source}$`), api, serve }
}

function findEntry(entries: readonly Entry[], method: string, path: string) {
  for (const entry of entries) {
    const match = entry.method === method ? entry.pattern.exec(path) : null
    const params = match && decoded(match.groups ?? {})
    if (params) return { entry, params }
  }
  return null
}

function decoded(groups: Record<string, string>): Record<string, string> | null {
  try {
    return Object.fromEntries(Object.entries(groups).map(([name, text]) => [name, decodeURIComponent(text)]))
  } catch {
    return null
  }
}

function allowedBy(given: DashboardAccess): Allowed | null {
  if (given === 'act') return { act: true, roles: [] }
  if (given === 'read') return { act: false, roles: [] }
  return typeof given === 'object' && given !== null && typeof given.act === 'boolean' ? given : null
}

function hasAnswered(ctx: DashboardContext): boolean {
  return ctx.status !== 404 || (ctx.body !== undefined && ctx.body !== null)
}

function refuse(ctx: DashboardContext, fault: ReturnType<typeof problem>): void {
  ctx.set({ ...fault.headers, 'Content-Type': problemContentType })
  ctx.status = fault.status
  ctx.body = problemBody(fault)
}

/** The page asks by scripts of this origin. A form of another site could do the same with the user's cookie. */
function refuseCrossSite(ctx: DashboardContext): void {
  const { origin, 'sec-fetch-site': site } = ctx.req.headers
  // Not `ctx.origin`, which is what the client says in Origin.
  const own = `${ctx.protocol}://${ctx.host}`
  const isOwn = site === undefined ? origin !== undefined && origin === own : site === 'same-origin'
  if (isOwn) return
  throw problem('csrf', 'needs the header Sec-Fetch-Site: same-origin, or an Origin that is this site')
}

/** As the app's own parser left it, or read here. */
async function bodyOf(ctx: DashboardContext): Promise<Record<string, unknown>> {
  const { body: parsed } = ctx.request as { body?: unknown }
  const body = parsed ?? (await readJson(ctx.req))
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw problem('malformed-body', 'not a JSON object')
  return body as Record<string, unknown>
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > mostBodyBytes) throw problem('body-too-large', `at most ${mostBodyBytes} bytes`)
    chunks.push(chunk)
  }
  if (bytes === 0) return {}
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw problem('malformed-body', 'not JSON')
  }
}

function refuseMistakes(options: QueueDashboardOptions): void {
  requireOptions(options, 'queueDashboard')
  const problems = unknownOptions(options, known)
  if (typeof options.queues?.use !== 'function') problems.push('queues is missing: what openQueues gave')
  if (typeof options.access !== 'function') {
    problems.push(
      "access is missing: who may see the queues, such as (ctx) => (isAdmin(ctx) ? 'act' : false). Without a rule nobody may",
    )
  }
  if (options.path !== undefined && !String(options.path).startsWith('/')) problems.push('path begins with /')
  if (problems.length > 0) throw new ConfigurationError(problems)
}
