/**
 * What this process is working on from one queue, and the ways in which an attempt ends before its work does.
 *
 * The lock of a job is a lease: it is renewed while we work, and when that did not succeed for as long as it
 * lasts, another worker may have the job. Then ours is over, whether or not Redis could tell us.
 */
import type { Clock } from '../kernel/clock.ts'

/** Why the signal of a job was aborted. */
export class Interruption extends Error {
  readonly kind: 'timeout' | 'hand-over' | 'lock-lost'

  constructor(kind: Interruption['kind'], message: string) {
    super(message)
    this.name = 'Interruption'
    this.kind = kind
  }
}

export interface RunningJob {
  readonly signal: AbortSignal
  interrupt(why: Interruption): void
  /** The attempt is over. */
  end(): void
}

export interface RunningJobs {
  readonly count: number
  begin(id: string): RunningJob
  renewed(ids: readonly string[]): void
  lost(ids: readonly string[]): void
  /** Ends the attempts whose lock was last renewed too long ago. */
  loseExpired(): void
  handOverAll(): void
}

export function createRunningJobs(clock: Clock, lockMs: number): RunningJobs {
  const running = new Map<string, { controller: AbortController; heldUntil: number }>()

  function lose(id: string): void {
    running
      .get(id)
      ?.controller.abort(new Interruption('lock-lost', 'the lock was lost: another worker does this job'))
  }

  return {
    get count() {
      return running.size
    },

    begin(id) {
      const controller = new AbortController()
      const entry = { controller, heldUntil: clock.mono() + lockMs }
      running.set(id, entry)
      return {
        signal: controller.signal,
        interrupt: (why) => controller.abort(why),
        end() {
          if (running.get(id) === entry) running.delete(id)
        },
      }
    },

    renewed(ids) {
      for (const id of ids) {
        const entry = running.get(id)
        if (entry) entry.heldUntil = clock.mono() + lockMs
      }
    },

    lost: (ids) => ids.forEach(lose),

    loseExpired() {
      for (const [id, { heldUntil }] of running) if (clock.mono() > heldUntil) lose(id)
    },

    handOverAll() {
      for (const { controller } of running.values()) {
        controller.abort(new Interruption('hand-over', 'this process stops: another one does the job'))
      }
    },
  }
}
