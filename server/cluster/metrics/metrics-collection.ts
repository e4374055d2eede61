/**
 * Collects what the workers of this primary measure. Anyone who reads waits for them only so long: a worker that is
 * frozen is told apart by `lockstep_worker_up` and keeps its last readings, and the others are not held up by it.
 *
 * Workers are also asked between scrapes, so that a kill -9 takes the counts of a few seconds along, not of all the
 * time since the last scrape. What a worker counted before is kept (shared/telemetry/metrics/ledger.ts).
 */
import cluster, { type Worker } from 'node:cluster'
import { setTimeout as pause } from 'node:timers/promises'
import type { Service } from '../../../shared/kernel/lifecycle.ts'
import { measure, parseMeasured } from '../../../shared/telemetry/metrics/answer-primary.ts'
import { createMetricsLedger } from '../../../shared/telemetry/metrics/ledger.ts'
import { createProcessMeter } from '../../../shared/telemetry/metrics/process-meter.ts'
import { reading, type Reading } from '../../../shared/telemetry/metrics/reading.ts'
import { endOf } from '../supervision/worker-handle.ts'

export interface MetricsCollectionOptions {
  /** Which worker this process is, as in `X-Worker`; null when it is none of ours. */
  readonly idOf: (pid: number | undefined) => string | null
  /** The longest that `read` waits for the workers. */
  readonly boundMs?: number
  /** How often they are asked anyway. */
  readonly everyMs?: number
}

export interface MetricsCollection extends Service {
  read(): Promise<Reading[]>
}

/** A worker that is followed. One question at a time: they would pile up in front of one that is frozen. */
interface Source {
  readonly id: string
  readonly worker: Worker
  /** It has told something: it is far enough to hear a question. */
  listens: boolean
  asking: Promise<void> | null
  answered: () => void
}

export function collectMetrics({
  idOf,
  boundMs = 1_000,
  everyMs = 5_000,
}: MetricsCollectionOptions): MetricsCollection {
  const ledger = createMetricsLedger()
  const own = createProcessMeter('primary')
  const sources = new Set<Source>()
  /** The places that should have a worker. One whose worker crashed has none while the next one starts. */
  const places = new Set<string>()
  const starts = new Map<string, number>()
  const failures = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined

  function follow(worker: Worker): void {
    const id = idOf(worker.process.pid)
    if (id === null) return
    count(starts, id)
    // A counter that begins at its first event would hide that event from `increase`.
    failures.set(id, failures.get(id) ?? 0)
    places.add(id)
    const source: Source = { id, worker, listens: false, asking: null, answered: () => {} }
    sources.add(source)
    worker.on('message', (message: unknown) => {
      const readings = parseMeasured(message)
      if (readings === null) return
      source.listens = true
      ledger.update(source, readings)
      source.answered()
    })
    void endOf(worker).then(({ code }) => {
      const failed = code !== 0
      if (failed) count(failures, id)
      sources.delete(source)
      // It was asked to end, and no replacement has its place.
      if (!failed && ![...sources].some((other) => other.id === id)) places.delete(id)
      ledger.retire(source)
      source.answered()
    })
  }

  function ask(source: Source): Promise<void> {
    source.asking ??= new Promise<void>((resolve) => {
      source.answered = () => {
        source.asking = null
        resolve()
      }
      // One that can't be told any more is ending.
      if (source.worker.isConnected()) source.worker.process.send(measure, () => {})
    })
    return source.asking
  }

  function listening(): Source[] {
    return [...sources].filter(({ listens }) => listens)
  }

  /** Asks all of them; gives those that answered in time. */
  async function askAll(): Promise<ReadonlySet<Source>> {
    const up = new Set<Source>()
    const answers = listening().map((source) => ask(source).then(() => up.add(source)))
    const bound = new AbortController()
    const patience = pause(boundMs, undefined, { signal: bound.signal }).catch(() => {})
    await Promise.race([Promise.all(answers), patience])
    bound.abort()
    return new Set(up)
  }

  /** Of two processes in one place, while it changes hands, the new one counts. */
  function isUp(id: string, up: ReadonlySet<Source>): boolean {
    const source = [...sources].findLast((one) => one.id === id)
    return source !== undefined && up.has(source)
  }

  return {
    async start() {
      await own.start()
      cluster.on('fork', follow)
      timer = setInterval(() => listening().forEach((source) => void ask(source)), everyMs)
    },
    async stop(deadline) {
      clearInterval(timer)
      cluster.off('fork', follow)
      await own.stop(deadline)
    },
    async read() {
      const up = await askAll()
      return [
        ...[...places].map((worker) => reading('lockstep_worker_up', isUp(worker, up) ? 1 : 0, { worker })),
        ...counted('lockstep_worker_starts_total', starts),
        ...counted('lockstep_worker_failures_total', failures),
        ...own.read(),
        ...ledger.read(),
      ]
    },
  }
}

function count(counts: Map<string, number>, id: string): void {
  counts.set(id, (counts.get(id) ?? 0) + 1)
}

function counted(
  metric: 'lockstep_worker_starts_total' | 'lockstep_worker_failures_total',
  counts: Map<string, number>,
) {
  return [...counts].map(([worker, value]) => reading(metric, value, { worker }))
}
