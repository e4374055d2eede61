/** Worker processes as a table: on the overview with plots, on the page of workers with buttons. */
import type { AppContext } from '../../../../shared/app/context.ts'
import { html, type Html } from '../../../../shared/app/html.ts'
import type {
  ControlResults,
  RecentWorker,
  WorkerStatus,
} from '../../../../shared/process/control-request.ts'
import { localeOf, textsOf } from '../pages/locale.ts'
import { table } from '../pages/table.ts'
import { age, count, megabytes, milliseconds } from './figures.ts'
import { sparkline } from './sparkline.ts'

type Overview = ControlResults['overview']

interface TableFacts {
  readonly host: string
  readonly overview: Overview
  /** The cell with what can be done to a worker, where something can. */
  readonly actions?: ((worker: WorkerStatus) => Html) | undefined
  readonly plots?: boolean
}

export function hostsOf({ workers }: Pick<Overview, 'workers'>): string[] {
  return [...new Set(workers.map(({ host }) => host))]
}

export function workerTable(ctx: AppContext, { host, overview, actions, plots = false }: TableFacts): Html {
  const { console } = textsOf(ctx)
  const { columns, caption } = console.workers
  const locale = localeOf(ctx)
  const recent = new Map(overview.recent.workers.map((one) => [`${one.host} ${one.id}`, one]))

  function row(worker: WorkerStatus): readonly (Html | string)[] {
    const known = recent.get(`${worker.host} ${worker.id}`)
    const plotted = (value: string, field: keyof Omit<RecentWorker, 'id' | 'kind' | 'host'>, what: string) =>
      html`${value}
      ${plots && known ? sparkline(known[field], { label: console.overview.plot(what, worker.id) }) : null}`
    const shown = (value: number | null, words: (value: number) => string) =>
      value === null ? '–' : words(value)
    const number = (value: number) => count(locale, value)
    return [
      html`<strong>${worker.id}</strong>`,
      stateTag(ctx, worker),
      shown(worker.startedAt, (since) => age(Date.now() - since)),
      plotted(
        shown(worker.rssBytes, (bytes) => megabytes(locale, bytes)),
        'rssBytes',
        columns.memory,
      ),
      plotted(
        shown(worker.eventLoopLagMs, (ms) => milliseconds(locale, ms)),
        'eventLoopLagMs',
        columns.lag,
      ),
      shown(worker.leaseMs, (ms) => milliseconds(locale, Math.round(ms))),
      plotted(shown(worker.cachedSessions, number), 'cachedSessions', columns.sessions),
      plotted(shown(known?.requestsPerSecond.at(-1) ?? null, number), 'requestsPerSecond', columns.rate),
      shown(worker.restarts, number),
      ...(actions ? [actions(worker)] : []),
    ]
  }

  return table({
    caption: caption(host),
    columns: [
      columns.worker,
      columns.state,
      columns.up,
      columns.memory,
      columns.lag,
      columns.lease,
      columns.sessions,
      columns.rate,
      columns.restarts,
      ...(actions ? [{ unseen: columns.actions }] : []),
    ],
    rows: overview.workers
      .filter((worker) => worker.host === host)
      .map((worker) => ({ id: worker.id, cells: row(worker) })),
    empty: console.workers.none,
  })
}

function stateTag(ctx: AppContext, { state, pid }: WorkerStatus): Html {
  const { states } = textsOf(ctx).console.workers
  const look = state === 'ready' ? 'tag' : state === 'hung' || state === 'waiting' ? 'tag fault' : 'tag busy'
  return html`<span class="${look}" ${pid === null ? null : html`title="pid ${pid}"`}>${states[state]}</span>`
}
