import { viewers } from '../../../../shared/accounts/roles.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import { Problem } from '../../../../shared/app/problem.ts'
import type { Route } from '../../../../shared/app/route.ts'
import type { ControlResults } from '../../../../shared/process/control-request.ts'
import { PrimarySilent } from '../../../../shared/process/primary-handle.ts'
import type { RuntimeSettings } from '../../../../shared/settings/runtime-settings.ts'
import type { Settings } from '../../../../shared/settings/settings.ts'
import type { Readiness } from '../health/readiness.ts'
import { localeOf, textsOf } from '../pages/locale.ts'
import type { WorkerOperations } from '../workers/worker-operations.ts'
import { adminPage } from './admin-page.ts'
import { count, milliseconds } from './figures.ts'
import { slowest, summed } from './series.ts'
import { sparkline } from './sparkline.ts'
import { hostsOf, workerTable } from './worker-table.ts'

export interface OverviewParts {
  /** Null where no primary runs the workers. */
  readonly workers: Pick<WorkerOperations, 'overview'> | null
  readonly readiness: Pick<Readiness, 'check' | 'notes'>
  readonly settings: Pick<Settings<RuntimeSettings>, 'current'>
}

type Overview = ControlResults['overview']

/** How the server is at a glance: its hosts and workers, and what they depend on. */
export function overviewPage({ workers, readiness, settings }: OverviewParts): Route {
  return adminPage({
    path: '/admin',
    roles: viewers,
    section: 'overview',
    summary: 'How hosts, workers and what they depend on are',
    async handler(ctx) {
      const { console } = textsOf(ctx)
      const [overview, checks, notes] = await Promise.all([
        workers === null ? null : askedOrNull(workers),
        readiness.check(),
        readiness.notes?.(),
      ])
      const { maintenance } = settings.current().values
      const main = html`<div id="overview" data-live>
        ${maintenance ? html`<p role="alert">${console.overview.inMaintenance}</p>` : null}
        <div class="cards">
          <section class="card" aria-labelledby="parts">
            <h2 id="parts">${console.overview.dependencies}</h2>
            <dl>
              ${partOf(console.overview.redis, checks['redis'] === 'ok', console.overview)}
              ${partOf(console.overview.database, checks['database'] === 'ok', console.overview)}
              ${notes === undefined ? null : notesOf(ctx, notes)}
            </dl>
          </section>
          ${overview === null ? null : trafficOf(ctx, overview)}
        </div>
        ${
          overview === null
            ? html`<p role="alert">${console.overview.noPrimary}</p>`
            : hostsOf(overview).map(
                (host) =>
                  html`<section class="card dense" aria-label="${host}">
                    <h2>${host}</h2>
                    ${workerTable(ctx, { host, overview, plots: true })}
                  </section>`,
              )
        }
      </div>`
      return { title: console.sections.overview, main }
    },
  })
}

/** Null while the primary does not answer: the rest of the page is worth to be seen then more than ever. */
async function askedOrNull(workers: Pick<WorkerOperations, 'overview'>): Promise<Overview | null> {
  try {
    return await workers.overview()
  } catch (cause) {
    if (cause instanceof PrimarySilent || cause instanceof Problem) return null
    throw cause
  }
}

function partOf(
  name: string,
  isUp: boolean,
  { up, down }: { readonly up: string; readonly down: string },
): Html {
  return html`<dt>${name}</dt>
    <dd><span class="${isUp ? 'tag' : 'tag fault'}">${isUp ? up : down}</span></dd>`
}

function notesOf(
  ctx: AppContext,
  { signIn, settings, proxy }: Awaited<ReturnType<NonNullable<Readiness['notes']>>>,
): Html[] {
  const { overview } = textsOf(ctx).console
  const facts: [name: string, value: string][] = [
    [overview.signIn, overview.signInLimits[signIn.limits]],
    [overview.settings, overview.settingsState[settings]],
    ...(proxy === 'untrusted' ? ([[overview.proxy, overview.proxyUntrusted]] as [string, string][]) : []),
  ]
  return facts.map(
    ([name, value]) =>
      html`<dt>${name}</dt>
        <dd>${value}</dd>`,
  )
}

/** What all workers together do, and how long revocations take. */
function trafficOf(ctx: AppContext, { workers, recent }: Overview): Html {
  const { overview } = textsOf(ctx).console
  const locale = localeOf(ctx)
  const rates = summed(recent.workers.map((worker) => worker.requestsPerSecond))
  const revocations = slowest(recent.workers.map((worker) => worker.revocationMs))
  const latest = revocations.findLast((ms) => ms !== null)
  const sessions = workers.reduce((sum, { cachedSessions }) => sum + (cachedSessions ?? 0), 0)
  const rate = rates.at(-1) ?? null
  const minutes = Math.round((recent.everyMs * 60) / 60_000)
  return html`<section class="card" aria-labelledby="traffic">
    <h2 id="traffic">${overview.traffic}</h2>
    <dl>
      <dt>${overview.requests}</dt>
      <dd>
        ${rate === null ? '–' : overview.perSecond(count(locale, rate))}
        ${sparkline(rates, { label: overview.lastMinutes(overview.requests, minutes) })}
      </dd>
      <dt>${overview.revocations}</dt>
      <dd>
        ${latest === undefined || latest === null ? overview.noRevocation(minutes) : milliseconds(locale, latest)}
        ${sparkline(revocations, { label: overview.lastMinutes(overview.revocations, minutes) })}
      </dd>
      <dt>${overview.sessions}</dt>
      <dd>${count(locale, sessions)}</dd>
    </dl>
  </section>`
}
