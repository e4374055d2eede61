/**
 * The two clocks that a process can read.
 *
 * `mono` never steps and measures durations inside one process (its zero means nothing, so its values are
 * never sent to another process). `wall` is the calendar: it may step, but it goes on while a machine is
 * suspended, which `mono` may not. Code that decides takes a `Clock` as an argument, so that tests can turn it.
 */
export interface Clock {
  /** Milliseconds on the monotonic clock of this process, with fractions. */
  mono(): number
  /** Milliseconds since 1970 on the wall clock of this machine. */
  wall(): number
}

export const systemClock: Clock = {
  mono: () => performance.now(),
  wall: () => Date.now(),
}
