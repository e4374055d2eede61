/**
 * Keeps a number of workers alive, each in a slot that it hands on to its replacement.
 *
 * The first boot is all or nothing: when one worker can't start, the rest are stopped and `start` rejects with its
 * reason, since waiting would not mend a broken build. From then on a worker that ends unasked is replaced for as
 * long as it takes, with growing pauses while it keeps dying. Nothing outlives `stop`: who does not obey is killed.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { WorkerRole } from '../../shared/config/assignment.ts'
import {
  deadlineIn,
  remaining,
  StoppedWhileStarting,
  type Deadline,
  type Service,
} from '../../shared/lifecycle.ts'
import type { Logger } from '../../shared/log.ts'
import { backoffMs, defaultBackoff, type Backoff } from './backoff.ts'
import { describeExit, WorkerHandle, type WorkerProgram } from './worker-handle.ts'

/** Workers of one kind: what they run, and how many. */
export interface WorkerKind extends WorkerProgram {
  readonly role: WorkerRole
  readonly count: number
}

export interface SupervisorOptions {
  readonly kinds: readonly WorkerKind[]
  /** The longest that a worker may take to finish what is under way. */
  readonly graceMs: number
  readonly log: Logger
  readonly bootTimeoutMs?: number
  readonly backoff?: Backoff
}

interface Slot {
  readonly kind: WorkerKind
  readonly number: number
  worker: WorkerHandle | null
}

/** What a worker gets less than the primary waits, so that it is killed only when it hangs. */
const killMarginMs = 500
const firstBootUndoMs = 2_000

export class Supervisor implements Service {
  readonly #options: Required<SupervisorOptions>
  readonly #log: Logger
  #stopping = new AbortController()
  #slots: Slot[] = []
  #upkeep: Promise<void>[] = []

  constructor(options: SupervisorOptions) {
    this.#options = { bootTimeoutMs: 30_000, backoff: defaultBackoff, ...options }
    this.#log = options.log
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    this.#slots = this.#options.kinds.flatMap(slotsOf)
    try {
      const workers = this.#slots.map((slot) => ({ slot, worker: this.#fork(slot) }))
      await Promise.all(workers.map(({ worker }) => worker.ready))
      this.#upkeep = workers.map(({ slot, worker }) => this.#keepAlive(slot, worker))
    } catch (cause) {
      if (this.#stopping.signal.aborted) throw new StoppedWhileStarting()
      await this.stop(deadlineIn(firstBootUndoMs))
      throw cause
    }
  }

  async stop(deadline: Deadline): Promise<void> {
    this.#stopping.abort()
    const living = this.workers()
    const patienceMs = Math.min(this.#options.graceMs, remaining(deadline))
    const graceMs = patienceMs - Math.min(killMarginMs, patienceMs / 4)
    for (const worker of living) {
      if (worker.isReady) worker.stop(graceMs)
      // Nothing is under way there yet, and it may not listen to us yet.
      else worker.kill()
    }
    const patience = setTimeout(() => this.#killAll(), patienceMs)
    await Promise.all(living.map((worker) => worker.exited))
    clearTimeout(patience)
    await Promise.all(this.#upkeep)
  }

  /** The workers that live now, ready or not. */
  workers(): WorkerHandle[] {
    return this.#slots.flatMap(({ worker }) => worker ?? [])
  }

  #fork(slot: Slot): WorkerHandle {
    const { kind, number } = slot
    const worker = WorkerHandle.fork({ role: kind.role, slot: number }, kind, this.#options.bootTimeoutMs)
    slot.worker = worker
    void worker.exited.then(() => {
      if (slot.worker === worker) slot.worker = null
    })
    return worker
  }

  async #keepAlive(slot: Slot, first: WorkerHandle): Promise<void> {
    const { backoff } = this.#options
    let worker: WorkerHandle | null = first
    let failures = 0
    while (!this.#stopping.signal.aborted) {
      const lifeMs = worker ? await this.#lifeOf(worker) : 0
      if (this.#stopping.signal.aborted) return
      failures = lifeMs >= backoff.stableMs ? 1 : failures + 1
      await this.#rest(backoffMs(backoff, failures))
      if (this.#stopping.signal.aborted) return
      worker = this.#tryFork(slot)
    }
  }

  /** Waits for the end of the worker and tells of it. Gives how long it lived, in milliseconds. */
  async #lifeOf(worker: WorkerHandle): Promise<number> {
    const { role, slot, pid } = worker
    const about = { role, slot, workerPid: pid }
    const booted = await worker.ready.then(
      () => {
        this.#log.info(about, 'worker is ready')
        return true
      },
      (err: unknown) => {
        if (!this.#stopping.signal.aborted) this.#log.error({ ...about, err }, 'worker did not start')
        return false
      },
    )
    const exit = await worker.exited
    if (booted && !this.#stopping.signal.aborted) {
      this.#log.error({ ...about, ...exit }, `worker ended unasked (${describeExit(exit)}) and is replaced`)
    }
    return performance.now() - worker.startedAt
  }

  /** Null when the system refuses, because memory or the number of processes is exhausted. */
  #tryFork(slot: Slot): WorkerHandle | null {
    try {
      return this.#fork(slot)
    } catch (err) {
      this.#log.error({ err, role: slot.kind.role, slot: slot.number }, 'worker could not be forked')
      return null
    }
  }

  #rest(ms: number): Promise<void> {
    return pause(ms, undefined, { signal: this.#stopping.signal }).catch(() => {})
  }

  #killAll(): void {
    for (const worker of this.workers()) {
      const { role, slot, pid } = worker
      this.#log.warn({ role, slot, workerPid: pid }, 'worker did not end in time and is killed')
      worker.kill()
    }
  }
}

function slotsOf(kind: WorkerKind): Slot[] {
  return Array.from({ length: kind.count }, (_, index) => ({ kind, number: index + 1, worker: null }))
}
