/**
 * Keeps workers alive, each in a slot that it hands on to its replacement, and changes them while they serve.
 *
 * The first boot is all or nothing: when one worker can't start, the rest are stopped and `start` rejects with its
 * reason, since waiting would not mend a broken build. From then on a worker that exits unexpectedly or hangs is replaced
 * for as long as it takes, with growing pauses while it keeps dying. A reload that meets a worker that can't start
 * ends there, and the previous workers go on. Nothing outlives `stop`: workers that ignore it are killed.
 */
import cluster from 'node:cluster'
import { setTimeout as pause } from 'node:timers/promises'
import type { WorkerRole } from '../../../shared/process/assignment.ts'
import {
  deadlineIn,
  group,
  remaining,
  StoppedWhileStarting,
  type Deadline,
  type Service,
} from '../../../shared/kernel/lifecycle.ts'
import { messageOf } from '../../../shared/kernel/errors.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { defaultBackoff, type Backoff } from './backoff.ts'
import { refusal, type ControlAnswer } from '../../../shared/process/control-request.ts'
import { watchForHangs } from './hang-watch.ts'
import type { MemoryShare } from '../boot/memory-share.ts'
import { recycleWorkers } from './recycling.ts'
import { Slot, SlotRetired, type Step, type TellStep } from './slot.ts'
import type { WorkerHandle, WorkerProgram } from './worker-handle.ts'

/** Workers of one kind: what they run, and how many there are at first. */
export interface WorkerKind extends WorkerProgram {
  readonly role: WorkerRole
  readonly count: number
  /** The longest that one of these may take to finish what is under way. Default: that of all. */
  readonly graceMs?: number
}

export interface SupervisorOptions {
  /** At most one of each role. */
  readonly kinds: readonly WorkerKind[]
  /** The longest that a worker may take to finish what is under way. */
  readonly graceMs: number
  /** How long workers go on as before after balancers were told of a stop. Default 0. */
  readonly drainDelayMs?: number
  readonly log: Logger
  readonly bootTimeoutMs?: number
  /** How long a replacement must have lived since it was ready before the previous worker ends. */
  readonly probationMs?: number
  readonly backoff?: Backoff
  /** The longest silence of a worker before it is taken for hung. */
  readonly hungAfterMs?: number
  /** Who hands out connections: this process in turn, or the system to whoever is free. */
  readonly scheduling?: 'round-robin' | 'shared'
  /** When workers are replaced although they are well; null: never. */
  readonly recycle?: {
    readonly maxRssBytes: number | 'share' | null
    readonly maxAgeMs: number | null
    readonly leastAgeMs?: number
  }
  /** What each of so many workers may use of the memory; null: as much as it likes. */
  readonly memory?: (workers: number) => MemoryShare | null
  /** Answers what a worker asks. */
  readonly answer?: (request: unknown) => Promise<ControlAnswer>
  /** A worker can do its work. */
  readonly onReady?: (worker: WorkerHandle) => void
  /** A worker has certainly ended. */
  readonly onExit?: (worker: WorkerHandle) => void
}

/** What a reload or a change of numbers does, as it goes on. */
export interface Progress {
  readonly step: Step
  readonly worker: string
  readonly pid: number | undefined
}
export type TellProgress = (progress: Progress) => void

/** The new workers can't start: those of before go on. */
export class ReloadAborted extends Error {
  constructor(replaced: number, count: number, cause: unknown) {
    const reason = messageOf(cause)
    const kept = replaced === 0 ? 'all workers' : `${count - replaced} of ${count} workers`
    super(`the reload was aborted, and ${kept} go on as they were: ${reason}`, { cause })
    this.name = 'ReloadAborted'
  }
}

export class SupervisorStopping extends Error {
  constructor() {
    super('the server is stopping')
    this.name = 'SupervisorStopping'
  }
}

const firstBootUndoMs = 2_000

const defaults = {
  drainDelayMs: 0,
  bootTimeoutMs: 30_000,
  probationMs: 500,
  backoff: defaultBackoff,
  hungAfterMs: 10_000,
  scheduling: 'round-robin',
  recycle: { maxRssBytes: null, maxAgeMs: null },
  answer: async () => refusal('invalid', 'nobody answers here'),
  memory: () => null,
  onReady: () => {},
  onExit: () => {},
} as const

export class Supervisor implements Service {
  readonly #options: Required<SupervisorOptions>
  readonly #log: Logger
  readonly #watches: Service
  #slots: Slot[] = []
  /** Retired, with workers that still finish something. */
  readonly #leaving = new Set<Slot>()
  #stopping = false
  #stopAhead: AbortController | null = null
  #reload: { running: Promise<number>; next: Promise<number> | null } | null = null

  constructor(options: SupervisorOptions) {
    this.#options = { ...defaults, ...options }
    this.#log = options.log
    const { hungAfterMs, recycle, log } = this.#options
    this.#watches = group([
      watchForHangs({ workers: () => this.workers(), hungAfterMs, log }),
      recycleWorkers({ slots: () => this.#slots, ...recycle, maxRssBytes: () => this.#maxRssBytes(), log }),
    ])
  }

  async start(): Promise<void> {
    this.#stopping = false
    this.#stopAhead = null
    cluster.schedulingPolicy = this.#options.scheduling === 'shared' ? cluster.SCHED_NONE : cluster.SCHED_RR
    this.#slots = this.#options.kinds.flatMap((kind) =>
      Array.from({ length: kind.count }, (_, index) => this.#createSlot(kind, index + 1)),
    )
    try {
      await Promise.all(this.#slots.map((slot) => slot.open()))
      await this.#watches.start()
    } catch (cause) {
      if (this.#stopping) throw new StoppedWhileStarting()
      await this.stop(deadlineIn(firstBootUndoMs))
      throw cause
    }
  }

  /**
   * Has balancers told that the server will stop, and waits for as long as they may take to send requests elsewhere;
   * until then everything is served, and workers that die are replaced. Changes are refused from now on. A second
   * call, or one without time for it, ends the wait.
   */
  async announceStop(deadline: Deadline): Promise<void> {
    this.#stopping = true
    const { drainDelayMs, graceMs } = this.#options
    const delayMs = Math.min(drainDelayMs, remaining(deadline) - graceMs)
    if (this.#stopAhead !== null || delayMs <= 0) return this.#stopAhead?.abort()
    const { signal } = (this.#stopAhead = new AbortController())
    for (const worker of this.workers()) if (worker.isReady) worker.announceStop()
    this.#log.info(
      { delayMs },
      'readiness is off for load balancers; requests are served until they send them elsewhere',
    )
    await pause(delayMs, undefined, { signal }).catch(() => {})
  }

  async stop(deadline: Deadline): Promise<void> {
    this.#stopping = true
    await this.#watches.stop(deadline)
    const slots = [...this.#slots, ...this.#leaving]
    await Promise.all(slots.map((slot) => slot.retire(Math.min(slot.graceMs, remaining(deadline)))))
    await this.#reload?.next?.catch(() => {})
    await this.#reload?.running.catch(() => {})
    this.#slots = []
  }

  /** The processes that live now, ready or not. */
  workers(): WorkerHandle[] {
    return [...this.#slots, ...this.#leaving].flatMap((slot) => slot.workers())
  }

  /** The places that should have a worker and have no process, because the last one died. */
  vacancies(): Slot[] {
    return this.#slots.filter((slot) => slot.workers().length === 0)
  }

  /** How often the place of this id had to be filled again because a process ended unexpectedly. */
  restarts(id: string): number {
    return this.#slots.find((slot) => slot.id === id)?.restarts ?? 0
  }

  count(role: WorkerRole): number {
    return this.#slots.filter((slot) => slot.role === role).length
  }

  has(id: string): boolean {
    return this.#slots.some((slot) => slot.id === id)
  }

  /**
   * Replaces all workers, `parallel` at a time, each drained when its replacement is ready. Gives how many were
   * replaced. Rejects with `ReloadAborted` when one can't start; those after it are left as they are then. Job workers
   * finish their jobs while the reload goes on, since new ones have taken over.
   *
   * Asked for during a reload, another follows it, for a build that came after the first workers had been replaced;
   * all who ask during the same reload share that one.
   */
  reload(tell: TellProgress = () => {}, parallel = 1): Promise<number> {
    if (this.#stopping) return Promise.reject(new SupervisorStopping())
    const current = this.#reload
    if (current === null) {
      const running = this.#reloadNow(tell, parallel)
      this.#follow(running)
      return running
    }
    current.next ??= current.running.catch(() => {}).then(() => this.#reloadNow(tell, parallel))
    return current.next
  }

  #follow(running: Promise<number>): void {
    const own = { running, next: null as Promise<number> | null }
    this.#reload = own
    void running
      .catch(() => {})
      .then(() => {
        if (own.next) this.#follow(own.next)
        else this.#reload = null
      })
  }

  async #reloadNow(tell: TellProgress, parallel: number): Promise<number> {
    const slots = [...this.#slots]
    const finishing: Promise<void>[] = []
    const failures: unknown[] = []
    let replaced = 0
    let next = 0

    const replaceInTurn = async (): Promise<void> => {
      for (let slot = slots[next++]; slot !== undefined; slot = slots[next++]) {
        if (this.#stopping || failures.length > 0) return
        try {
          const { ended } = await slot.handOver(stepTeller(tell))
          replaced += 1
          if (slot.role === 'jobs') finishing.push(ended)
          else await ended
        } catch (cause) {
          // There are fewer workers by now than when the reload began.
          if (!(cause instanceof SlotRetired)) failures.push(cause)
        }
      }
    }

    await Promise.all(Array.from({ length: Math.min(parallel, slots.length) }, replaceInTurn))
    await Promise.all(finishing)
    if (this.#stopping) throw new SupervisorStopping()
    if (failures.length > 0) {
      const aborted = new ReloadAborted(replaced, slots.length, failures[0])
      this.#log.error({ err: aborted }, 'the reload was aborted')
      throw aborted
    }
    this.#log.info({ replaced }, 'reloaded')
    return replaced
  }

  /**
   * Changes how many workers of a role there are: new ones take the next slots, and those in the highest slots
   * finish and end. Resolves when that is done; the count changes at once. Rejects when a new one can't start,
   * whose slot is given up then.
   */
  async scale(role: WorkerRole, count: number, tell: TellProgress = () => {}): Promise<void> {
    if (this.#stopping) throw new SupervisorStopping()
    const kind = this.#options.kinds.find((known) => known.role === role)
    if (kind === undefined) throw new RangeError(`no program is known for ${role} workers`)
    const present = this.#slots.filter((slot) => slot.role === role)
    const surplus = present.filter((slot) => slot.number > count)
    const numbers = new Set(present.map((slot) => slot.number))
    const missing = Array.from({ length: count }, (_, index) => index + 1).filter(
      (number) => !numbers.has(number),
    )
    const added = missing.map((number) => this.#createSlot(kind, number))
    if (surplus.length + added.length > 0)
      this.#log.info({ role, from: present.length, to: count }, 'scaling')
    this.#slots = [...this.#slots.filter((slot) => !surplus.includes(slot)), ...added]
    const told = stepTeller(tell)
    await Promise.all([
      ...added.map((slot) => this.#open(slot, told)),
      ...surplus.map((slot) => this.#retire(slot, told)),
    ])
  }

  /** Has the worker with this id finish, end, and be replaced; the replacement is ready first. */
  async drain(id: string, tell: TellProgress = () => {}): Promise<void> {
    if (this.#stopping) throw new SupervisorStopping()
    const slot = this.#slots.find((one) => one.id === id)
    if (slot === undefined) throw new RangeError(`there is no worker ${id}`)
    await slot.replace(stepTeller(tell))
  }

  async #open(slot: Slot, tell: TellStep): Promise<void> {
    try {
      await slot.open(tell)
    } catch (cause) {
      // Another change has taken it back meanwhile.
      if (slot.isRetired) return
      this.#slots = this.#slots.filter((one) => one !== slot)
      // A reload that has it on its list must not fill it again: no one would look after that worker.
      await slot.retire(0)
      throw cause
    }
  }

  async #retire(slot: Slot, tell: TellStep): Promise<void> {
    this.#leaving.add(slot)
    await slot.retire(slot.graceMs, tell)
    this.#leaving.delete(slot)
  }

  #maxRssBytes(): number | null {
    const { maxRssBytes } = this.#options.recycle
    return maxRssBytes === 'share' ? (this.#memoryShare()?.rssBytes ?? null) : maxRssBytes
  }

  #memoryShare(): MemoryShare | null {
    return this.#options.memory(this.#slots.length)
  }

  #createSlot(kind: WorkerKind, number: number): Slot {
    const { role, graceMs = this.#options.graceMs } = kind
    const isStopAhead = () => this.#stopAhead !== null
    const program = () => ({ ...kind, heapMb: this.#memoryShare()?.heapMb ?? null })
    return new Slot({ ...this.#options, graceMs, role, number, isStopAhead, program })
  }
}

function stepTeller(tell: TellProgress): TellStep {
  return (step, { id, pid }) => tell({ step, worker: id, pid })
}
