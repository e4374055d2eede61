/**
 * What this process is working on from one queue, and the ways in which an attempt ends before its work does.
 *
 * The lock of a job is a lease: it is renewed while we work, and when that did not succeed for as long as it
 * lasts, another worker may have the job. Then ours is over, whether or not Redis could tell us.
 */
import type { Clock } from '../kernel/clock.ts'

/** Why the signal of a job was aborted. */
export class Interruption extends Error {
  readonly kind: 'timeout' | 'hand-over' | 'lock-lost' | 'cancelled'

  /** Why it was cancelled, where nothing is kept with the job that says so yet. */
  readonly cancelled: string | null

  constructor(kind: Interruption['kind'], message: string, cancelled: string | null = null) {
    super(message)
    this.name = 'Interruption'
    this.kind = kind
    this.cancelled = cancelled
  }
}

export interface RunningJob {
  /** Aborted with the interruption. Made when it is first asked for: most handlers never do. */
  readonly signal: AbortSignal
  interrupt(why: Interruption): void
  /** Resolves with the reason if the attempt is interrupted; never otherwise. */
  readonly interrupted: Promise<Interruption>
  /** The attempt is over. */
  end(): void
}

export interface RunningJobs {
  readonly count: number
  begin(id: string): RunningJob
  renewed(ids: readonly string[]): void
  lost(ids: readonly string[]): void
  cancel(id: string): void
  /** Ends the attempts whose lock was last renewed too long ago. */
  loseExpired(): void
  handOverAll(): void
}

class Running implements RunningJob {
  heldUntil: number
  readonly interrupted: Promise<Interruption>
  readonly #forget: (running: Running) => void
  #tell: (why: Interruption) => void = () => {}
  #why: Interruption | null = null
  #controller: AbortController | null = null

  constructor(heldUntil: number, forget: (running: Running) => void) {
    this.heldUntil = heldUntil
    this.#forget = forget
    this.interrupted = new Promise((resolve) => (this.#tell = resolve))
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#why !== null) this.#controller.abort(this.#why)
    return this.#controller.signal
  }

  interrupt(why: Interruption): void {
    if (this.#why !== null) return
    this.#why = why
    // Before the handler answers the abort, whose outcome is not looked at.
    this.#tell(why)
    this.#controller?.abort(why)
  }

  end(): void {
    this.#forget(this)
  }
}

export function createRunningJobs(clock: Clock, lockMs: number): RunningJobs {
  const running = new Map<string, Running>()

  function lose(id: string): void {
    running
      .get(id)
      ?.interrupt(new Interruption('lock-lost', 'the lock was lost: another worker does this job'))
  }

  return {
    get count() {
      return running.size
    },

    begin(id) {
      const entry = new Running(clock.mono() + lockMs, (ended) => {
        if (running.get(id) === ended) running.delete(id)
      })
      running.set(id, entry)
      return entry
    },

    renewed(ids) {
      for (const id of ids) {
        const entry = running.get(id)
        if (entry) entry.heldUntil = clock.mono() + lockMs
      }
    },

    lost: (ids) => ids.forEach(lose),

    cancel(id) {
      running.get(id)?.interrupt(new Interruption('cancelled', 'the job was cancelled'))
    },

    loseExpired() {
      for (const [id, { heldUntil }] of running) if (clock.mono() > heldUntil) lose(id)
    },

    handOverAll() {
      for (const entry of running.values()) {
        entry.interrupt(new Interruption('hand-over', 'this process stops: another one does the job'))
      }
    },
  }
}
