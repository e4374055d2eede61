/**
 * A place for one worker, and what keeps it taken: a worker that exits unexpectedly is replaced after a pause that grows
 * while it keeps dying, a worker that should make room is replaced by one that is ready first, and a retired slot
 * has no worker any more. At most times there is one process here; while one takes over from another there are two.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { WorkerRole } from '../../../shared/process/assignment.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { backoffMs, type Backoff } from './backoff.ts'
import { describeExit, WorkerHandle, type ForkOptions, type WorkerProgram } from './worker-handle.ts'

export interface SlotOptions extends ForkOptions {
  readonly role: WorkerRole
  readonly number: number
  readonly program: () => WorkerProgram
  /** The longest that a worker may take to finish what is under way, in milliseconds. */
  readonly graceMs: number
  /** Whether the server will stop soon, for those that become ready meanwhile. */
  readonly isStopAhead: () => boolean
  /** How long a replacement must have lived since it was ready before the previous worker ends. */
  readonly probationMs: number
  readonly backoff: Backoff
  readonly log: Logger
  /** It can do its work. */
  readonly onReady: (worker: WorkerHandle) => void
  /** The process has certainly ended. */
  readonly onExit: (worker: WorkerHandle) => void
}

/** What becomes of a worker, for those who watch a change. */
export type Step = 'starting' | 'ready' | 'draining' | 'ended'
export type TellStep = (step: Step, worker: WorkerHandle) => void

/** The slot was given up while a worker was to take it over. */
export class SlotRetired extends Error {
  constructor(id: string) {
    super(`${id} is being stopped`)
    this.name = 'SlotRetired'
  }
}

/** What a worker gets less than the primary waits, so that it is killed only when it hangs. */
const killMarginMs = 500

const stepWords = {
  starting: 'worker is starting',
  ready: 'worker is ready',
  draining: 'worker finishes what is under way',
  ended: 'worker has ended',
} as const

export class Slot {
  readonly role: WorkerRole
  readonly number: number
  readonly #options: SlotOptions
  readonly #log: Logger
  readonly #retired = new AbortController()
  /** Who does the work of this slot, or will when it has started. */
  #current: WorkerHandle | null = null
  /** Every process, those that come and go included. */
  readonly #living = new Set<WorkerHandle>()
  readonly #dismissed = new Set<WorkerHandle>()
  #replacing: Promise<void> = Promise.resolve()
  /** The part of a replacement in which no one knows yet whether the new worker will take over. Never rejects. */
  #arriving: Promise<unknown> = Promise.resolve()
  #failures = 0
  #restarts = 0

  constructor(options: SlotOptions) {
    this.#options = options
    this.#log = options.log
    this.role = options.role
    this.number = options.number
  }

  get id(): string {
    return `${this.role}-${this.number}`
  }

  get current(): WorkerHandle | null {
    return this.#current
  }

  /** How often a process here ended unexpectedly and had to be replaced. */
  get restarts(): number {
    return this.#restarts
  }

  get isRetired(): boolean {
    return this.#retired.signal.aborted
  }

  workers(): WorkerHandle[] {
    return [...this.#living]
  }

  /**
   * Forks the first worker and resolves when it, or one that has replaced it meanwhile, is ready; rejects with the
   * reason when it can't start.
   */
  async open(tell: TellStep = () => {}): Promise<void> {
    const worker = this.#fork(tell)
    this.#current = worker
    try {
      await worker.ready
    } catch (cause) {
      await this.#arriving
      if (this.#current === worker) throw cause
      return
    }
    this.#keepAlive(worker)
  }

  get graceMs(): number {
    return this.#options.graceMs
  }

  /**
   * Has a new worker take over: the old one ends when the new one is ready, and not before. Resolves when the old
   * one has ended. Rejects when the new one can't start; then nothing has changed.
   */
  async replace(tell: TellStep = () => {}): Promise<void> {
    const { ended } = await this.handOver(tell)
    await ended
  }

  /** The same, but resolves when the new worker has taken over; `ended` resolves when the old one has ended. */
  async handOver(tell: TellStep = () => {}): Promise<{ readonly ended: Promise<void> }> {
    const before = this.#replacing.catch(() => {})
    const taken = before.then(() => this.#replaceNow(tell))
    this.#replacing = taken.then(({ ended }) => ended)
    // Whoever waits for it is told.
    this.#replacing.catch(() => {})
    return taken
  }

  /**
   * Ends all its workers, for good, and kills what is left after `patienceMs`. A second call may shorten the time.
   */
  async retire(patienceMs: number, tell: TellStep = () => {}): Promise<void> {
    this.#retired.abort()
    await Promise.all(this.workers().map((worker) => this.#dismiss(worker, patienceMs, tell)))
    await this.#replacing.catch(() => {})
  }

  async #replaceNow(tell: TellStep): Promise<{ readonly ended: Promise<void> }> {
    if (this.isRetired) throw new SlotRetired(this.id)
    const taken = this.#takeOver(this.#fork(tell))
    this.#arriving = taken.catch(() => {})
    const old = await taken
    return { ended: old === null ? Promise.resolve() : this.#dismiss(old, this.#options.graceMs, tell) }
  }

  /** Gives whom the new worker has taken over from. */
  async #takeOver(fresh: WorkerHandle): Promise<WorkerHandle | null> {
    try {
      await fresh.ready
      await this.#prove(fresh)
    } catch (cause) {
      throw this.isRetired ? new SlotRetired(this.id) : cause
    }
    if (this.isRetired) throw new SlotRetired(this.id)
    const old = this.#current
    this.#current = fresh
    this.#keepAlive(fresh)
    return old
  }

  /** A broken build may say that it is ready and break at once. It must not cost a worker that works. */
  async #prove(fresh: WorkerHandle): Promise<void> {
    const enough = new AbortController()
    const signal = AbortSignal.any([enough.signal, this.#retired.signal])
    const proven = pause(this.#options.probationMs, null, { signal }).catch(() => null)
    const exit = await Promise.race([fresh.exited, proven])
    enough.abort()
    if (exit !== null) throw new Error(`it ended right after it was ready (${describeExit(exit)})`)
  }

  #fork(tell: TellStep = () => {}): WorkerHandle {
    const { role, number, program, onExit } = this.#options
    const worker = WorkerHandle.fork({ role, slot: number }, program(), this.#options)
    this.#living.add(worker)
    this.#step('starting', worker, tell)
    void worker.ready.then(
      () => {
        this.#step('ready', worker, tell)
        if (this.#options.isStopAhead()) worker.announceStop()
        this.#options.onReady(worker)
      },
      (err: unknown) => {
        if (!this.isRetired) this.#log.error({ ...about(worker), err }, 'worker did not start')
      },
    )
    void worker.exited.then(() => {
      this.#living.delete(worker)
      this.#dismissed.delete(worker)
      onExit(worker)
    })
    return worker
  }

  #keepAlive(worker: WorkerHandle): void {
    void worker.exited.then(async (exit) => {
      if (this.isRetired || this.#current !== worker) return
      this.#current = null
      this.#restarts += 1
      const booted = await worker.ready.then(
        () => true,
        () => false,
      )
      if (booted) {
        const how = `worker exited unexpectedly (${describeExit(exit)}) and is replaced`
        this.#log.error({ ...about(worker), ...exit }, how)
      }
      await this.#fillAgain(performance.now() - worker.startedAt)
    })
  }

  async #fillAgain(lifeMs: number): Promise<void> {
    const { backoff } = this.#options
    this.#failures = lifeMs >= backoff.stableMs ? 1 : this.#failures + 1
    while (!this.isRetired && this.#current === null) {
      await pause(backoffMs(backoff, this.#failures), undefined, { signal: this.#retired.signal }).catch(
        () => {},
      )
      // One that is to take over anyway would make this a third. (Whom it takes over from may take long to end.)
      await this.#arriving
      if (this.isRetired || this.#current !== null) return
      const worker = this.#tryFork()
      if (worker === null) {
        this.#failures += 1
        continue
      }
      this.#current = worker
      this.#keepAlive(worker)
    }
  }

  /** Null when the system refuses, because memory or the number of processes is exhausted. */
  #tryFork(): WorkerHandle | null {
    try {
      return this.#fork()
    } catch (err) {
      this.#log.error({ err, role: this.role, slot: this.number }, 'worker could not be forked')
      return null
    }
  }

  async #dismiss(worker: WorkerHandle, patienceMs: number, tell: TellStep): Promise<void> {
    const told = this.#dismissed.has(worker) ? () => {} : (step: Step) => this.#step(step, worker, tell)
    this.#dismissed.add(worker)
    told('draining')
    // Before it is ready nothing is under way there, and it may not listen to us yet.
    if (worker.isReady) worker.stop(patienceMs - Math.min(killMarginMs, patienceMs / 4))
    else worker.kill()
    const patience = setTimeout(() => {
      this.#log.warn(about(worker), 'worker did not end in time and is killed')
      worker.kill()
    }, patienceMs)
    await worker.exited
    clearTimeout(patience)
    told('ended')
  }

  #step(step: Step, worker: WorkerHandle, tell: TellStep): void {
    this.#log.info(about(worker), stepWords[step])
    tell(step, worker)
  }
}

/** A worker in the log. */
export function about({ role, slot, pid }: WorkerHandle) {
  return { role, slot, workerPid: pid }
}
