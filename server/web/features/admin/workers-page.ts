import { z } from 'zod'
import { administrators, viewers } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import type { Route } from '../../../../shared/app/route.ts'
import {
  mostWorkers,
  type ControlResults,
  type Operation,
  type WorkerStatus,
} from '../../../../shared/process/control-request.ts'
import { defineAction } from '../pages/action.ts'
import { field, form } from '../pages/form.ts'
import { linksOf } from '../pages/page.ts'
import { textsOf } from '../pages/locale.ts'
import { timeOf } from '../pages/time.ts'
import type { WorkerOperations } from '../workers/worker-operations.ts'
import { adminPage, may } from './admin-page.ts'
import { hostsOf, workerTable } from './worker-table.ts'

const path = '/admin/workers'
const access = { roles: administrators }

type Overview = ControlResults['overview']

const numberField = (least: number) =>
  z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .refine((number) => number >= least && number <= mostWorkers, `must be from ${least} to ${mostWorkers}`)

/** The newest operation that the page knew: what was begun since then by the same form is not begun again. */
const seen = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number)

/** Worker processes: replacing them, changing how many there are, and what came of it. */
export function workerPages(workers: WorkerOperations): Route[] {
  /** A form that is sent twice is carried out once. */
  async function isUnderWay(
    command: Operation['command'],
    about: string | null,
    knew: number,
  ): Promise<boolean> {
    const { operations } = await workers.overview()
    return operations.some(
      (operation) => operation.id > knew && operation.command === command && operation.about === about,
    )
  }

  return [
    adminPage({
      path,
      roles: viewers,
      section: 'workers',
      summary: 'The worker processes, and what was done to them',
      async handler(ctx) {
        const { console } = textsOf(ctx)
        const overview = await workers.overview()
        const main = html`${may(ctx, administrators) ? commandsOf(ctx, overview) : null}
          <div id="operations" data-live>${operationsOf(ctx, overview)}</div>
          <div id="hosts" data-live>
            ${hostsOf(overview).map(
              (host) =>
                html`<section class="card dense" aria-label="${host}">
                  <h2>${host}</h2>
                  ${workerTable(ctx, { host, overview, actions: drainOn(ctx, overview, host) })}
                </section>`,
            )}
          </div>`
        return { title: console.sections.workers, main }
      },
    }),
    defineAction({
      path: `${path}/reload`,
      back: path,
      access,
      summary: 'Replace all workers of this host one by one',
      body: z.strictObject({ seen }),
      async handler(ctx, { body }) {
        const { workers: texts } = textsOf(ctx).console
        if (await isUnderWay('reload', null, body.seen)) return { notice: done(texts.underWay) }
        await workers.reload(ctx)
        return { notice: done(texts.reloadBegun) }
      },
    }),
    defineAction({
      path: `${path}/scale`,
      back: path,
      access,
      summary: 'Change how many workers this host runs',
      body: z.strictObject({ web: numberField(1), jobs: numberField(0) }),
      async handler(ctx, { body }) {
        const { web, jobs } = await workers.scale(ctx, body)
        return { notice: done(textsOf(ctx).console.workers.scaleBegun(web, jobs)) }
      },
    }),
    defineAction({
      path: `${path}/drain`,
      back: path,
      access,
      summary: 'Replace one worker of this host',
      body: z.strictObject({ seen, id: z.string().max(64) }),
      async handler(ctx, { body: { id, seen } }) {
        const { workers: texts } = textsOf(ctx).console
        if (await isUnderWay('drain', id, seen)) return { notice: done(texts.underWay) }
        await workers.drain(ctx, id)
        return { notice: done(texts.drainBegun(id)) }
      },
    }),
  ]
}

function done(text: string) {
  return { kind: 'done', text } as const
}

function newestOf({ operations }: Overview): string {
  return String(operations[0]?.id ?? 0)
}

/** Commands act on the host that answers, whose numbers the form begins with. */
function commandsOf(ctx: AppContext, overview: Overview): Html {
  const { workers: texts } = textsOf(ctx).console
  const own = overview.workers.filter(({ host }) => host === overview.host)
  const count = (kind: 'web' | 'jobs') =>
    String(new Set(own.filter((worker) => worker.kind === kind).map(({ id }) => id)).size)
  return html`<div class="cards">
    <section class="card" aria-labelledby="reload">
      <h2 id="reload">${texts.reload}</h2>
      <p>${texts.reloadExplained(overview.host)}</p>
      ${form(ctx, { action: `${path}/reload`, button: texts.reloadButton, hidden: { seen: newestOf(overview) } })}
    </section>
    <section class="card" aria-labelledby="scale">
      <h2 id="scale">${texts.scale}</h2>
      <p>${texts.scaleExplained(overview.host)}</p>
      ${form(ctx, {
        action: `${path}/scale`,
        button: texts.scaleButton,
        fields: [
          field({ name: 'web', label: texts.web, type: 'number', value: count('web'), required: true }),
          field({ name: 'jobs', label: texts.jobs, type: 'number', value: count('jobs'), required: true }),
        ],
      })}
    </section>
  </div>`
}

/** What can be done to the workers of the host that answers; nothing on other hosts, and for other roles. */
function drainOn(
  ctx: AppContext,
  overview: Overview,
  host: string,
): ((worker: WorkerStatus) => Html) | undefined {
  if (host !== overview.host || !may(ctx, administrators)) return undefined
  const { workers: texts } = textsOf(ctx).console
  const hidden = { seen: newestOf(overview) }
  return ({ id, state }) =>
    state === 'ready'
      ? form(ctx, {
          action: `${path}/drain`,
          button: texts.drain,
          name: texts.drainNamed(id),
          hidden: { ...hidden, id },
          look: 'quiet',
          inline: true,
        })
      : html``
}

function operationsOf(ctx: AppContext, { operations }: Overview): Html | null {
  if (operations.length === 0) return null
  const { workers: texts } = textsOf(ctx).console
  return html`<section class="card" aria-labelledby="outcomes">
    <h2 id="outcomes">${texts.operations}</h2>
    <ul class="plain">
      ${operations.map((operation) => html`<li>${outcomeOf(ctx, operation)}</li>`)}
    </ul>
    ${
      operations.some(({ outcome }) => outcome === 'running')
        ? html`<p class="scriptless"><a href="${linksOf(ctx)(path)}">${texts.lookAgain}</a></p>`
        : null
    }
  </section>`
}

function outcomeOf(ctx: AppContext, operation: Operation): Html {
  const { workers: texts } = textsOf(ctx).console
  const { command, about, workers, replaced, outcome, message, startedAt, endedAt, steps } = operation
  const look = outcome === 'done' ? 'tag' : outcome === 'running' ? 'tag busy' : 'tag fault'
  const name = about === null ? texts.commands[command] : `${texts.commands[command]}: ${about}`
  const seconds = endedAt === null ? null : Math.max(0, (endedAt - startedAt) / 1_000).toFixed(1)
  return html`<strong>${name}</strong> <span class="${look}">${texts.outcomes[outcome]}</span>
    ${workers === null ? null : html`<span>${texts.replaced(Math.min(replaced, workers), workers)}</span>`}
    ${
      outcome === 'running' && workers !== null
        ? html`<progress
            aria-label="${name}"
            value="${Math.min(replaced, workers)}"
            max="${workers}"
          ></progress>`
        : null
    }
    <span class="fine-print"
      >${timeOf(ctx, startedAt)}${seconds === null ? null : html`, ${texts.took(seconds)}`}</span
    >
    ${message === null ? null : html`<p class="failure">${message}</p>`}
    ${
      steps.length === 0
        ? null
        : html`<details>
            <summary>${texts.steps}</summary>
            <ul>
              ${steps.map(({ step, worker }) => html`<li>${worker}: ${texts.stepWords[step]}</li>`)}
            </ul>
          </details>`
    }`
}
