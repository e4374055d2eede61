import type { Clock } from '../../shared/kernel/clock.ts'

/** A clock that moves only when it is told to. */
export interface ManualClock extends Clock {
  /** Time passes, on both clocks. */
  advance(ms: number): void
  /** The machine sleeps: the monotonic clock stands still meanwhile. */
  suspend(ms: number): void
  /** Somebody sets the calendar, forwards or backwards. */
  stepWall(ms: number): void
}

export function createManualClock(start = 10_000): ManualClock {
  let mono = start
  let wall = 1_700_000_000_000
  return {
    mono: () => mono,
    wall: () => wall,
    advance(ms) {
      mono += ms
      wall += ms
    },
    suspend(ms) {
      wall += ms
    },
    stepWall(ms) {
      wall += ms
    },
  }
}
