/**
 * How the workers of all hosts have been over the last minutes: a sample every few seconds, kept by this primary for
 * whoever looks. Nothing is stored; a primary that has just started knows nothing of before.
 */
import type { Service } from '../../../shared/kernel/lifecycle.ts'
import type { RecentWorker, WorkerStatus } from '../../../shared/process/control-request.ts'

export interface Recent extends Service {
  readonly everyMs: number
  workers(): readonly RecentWorker[]
  /** Takes a sample now. */
  sample(): Promise<void>
}

export interface RecentOptions {
  /** The workers of all hosts. */
  readonly all: () => Promise<readonly WorkerStatus[]>
  readonly everyMs?: number
  /** How many samples of each worker. */
  readonly kept?: number
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number
}

interface Sampled extends RecentWorker {
  /** The process and how many requests it had answered, at the last sample. */
  readonly last: { readonly pid: number | null; readonly requests: number | null; readonly at: number }
}

export function followRecent({
  all,
  everyMs = 5_000,
  kept = 60,
  now = () => performance.now(),
}: RecentOptions): Recent {
  let sampled = new Map<string, Sampled>()
  let timer: NodeJS.Timeout | undefined

  async function sample(): Promise<void> {
    const workers = await all()
    const at = now()
    const next = new Map<string, Sampled>()
    // Of two processes in one place the newer one counts: it comes last.
    for (const worker of workers) next.set(keyOf(worker), add(sampled.get(keyOf(worker)), worker, at))
    sampled = next
  }

  function add(before: Sampled | undefined, worker: WorkerStatus, at: number): Sampled {
    const append = (points: readonly (number | null)[] | undefined, point: number | null) =>
      [...(points ?? []), point].slice(-kept)
    const { id, kind, host, pid, requests } = worker
    return {
      id,
      kind,
      host,
      requestsPerSecond: append(before?.requestsPerSecond, rateSince(before?.last, worker, at)),
      eventLoopLagMs: append(before?.eventLoopLagMs, worker.eventLoopLagMs),
      rssBytes: append(before?.rssBytes, worker.rssBytes),
      cachedSessions: append(before?.cachedSessions, worker.cachedSessions),
      revocationMs: append(before?.revocationMs, worker.revocationMs),
      last: { pid, requests, at },
    }
  }

  return {
    everyMs,
    sample,
    workers: () => [...sampled.values()].map(({ last: _last, ...recent }) => recent),
    async start() {
      await sample()
      timer = setInterval(() => void sample().catch(() => {}), everyMs)
    },
    async stop() {
      clearInterval(timer)
    },
  }
}

function keyOf({ host, id }: Pick<WorkerStatus, 'host' | 'id'>): string {
  return `${host} ${id}`
}

/** Null when it is another process than before, whose count began anew. */
function rateSince(last: Sampled['last'] | undefined, worker: WorkerStatus, at: number): number | null {
  const { pid, requests } = worker
  if (last === undefined || requests === null || last.requests === null) return null
  if (last.pid !== pid || requests < last.requests || at <= last.at) return null
  return Math.round((10_000 * (requests - last.requests)) / (at - last.at)) / 10
}
