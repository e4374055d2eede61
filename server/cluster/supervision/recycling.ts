import type { Service } from '../../../shared/kernel/lifecycle.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { about, SlotRetired, type Slot } from './slot.ts'
import type { WorkerHandle } from './worker-handle.ts'

export interface RecyclingOptions {
  readonly slots: () => readonly Slot[]
  /** Beyond that a worker is replaced; null: never for that reason. Asked at each look. */
  readonly maxRssBytes: () => number | null
  readonly maxAgeMs: number | null
  readonly log: Logger
  /** A worker younger than this stays: one that is born too large would be replaced for ever. */
  readonly leastAgeMs?: number
  readonly everyMs?: number
}

/**
 * Replaces workers that have become too large or too old, as a reload does (a new one first, the old one drained),
 * one at a time, so that a leak that all share does not take them all down in one moment.
 */
export function recycleWorkers(options: RecyclingOptions): Service {
  const { slots, maxAgeMs, log, leastAgeMs = 60_000, everyMs = 1_000 } = options
  /** Workers that were forked together do not age together. */
  const spreads = new WeakMap<WorkerHandle, number>()
  let timer: NodeJS.Timeout | undefined
  let busy = false
  let restUntil = 0

  function spreadOf(worker: WorkerHandle): number {
    const spread = spreads.get(worker) ?? 0.9 + Math.random() / 10
    spreads.set(worker, spread)
    return spread
  }

  function reasonFor(worker: WorkerHandle): string | null {
    const ageMs = performance.now() - worker.startedAt
    if (worker.state !== 'ready') return null
    if (maxAgeMs !== null && ageMs > maxAgeMs * spreadOf(worker)) return `it is ${Math.round(ageMs)} ms old`
    const rssBytes = worker.vitals?.rssBytes ?? 0
    const maxRssBytes = options.maxRssBytes()
    if (maxRssBytes !== null && rssBytes > maxRssBytes && ageMs > leastAgeMs)
      return `it has ${rssBytes} bytes`
    return null
  }

  async function look(): Promise<void> {
    if (busy || performance.now() < restUntil) return
    for (const { slot, worker } of oldestFirst(slots())) {
      const reason = reasonFor(worker)
      if (reason === null) continue
      busy = true
      await recycle(slot, worker, reason)
      busy = false
      return
    }
  }

  async function recycle(slot: Slot, worker: WorkerHandle, reason: string): Promise<void> {
    log.info({ ...about(worker), reason }, 'worker is recycled')
    try {
      await slot.replace()
    } catch (err) {
      if (err instanceof SlotRetired) return
      log.error({ err, ...about(worker) }, 'worker could not be recycled, and goes on as it is')
      restUntil = performance.now() + leastAgeMs
    }
  }

  /** So that no one waits for ever behind one that is due again and again. */
  function oldestFirst(all: readonly Slot[]) {
    return all
      .flatMap((slot) => (slot.current ? [{ slot, worker: slot.current }] : []))
      .sort((a, b) => a.worker.startedAt - b.worker.startedAt)
  }

  return {
    async start() {
      timer = setInterval(() => void look(), everyMs)
    },
    async stop() {
      clearInterval(timer)
    },
  }
}
