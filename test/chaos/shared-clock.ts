/**
 * A clock that all processes of one machine read alike, in milliseconds as `performance.now()` of this one: what one
 * process stamps another can compare with what it saw itself.
 */
const offset = machineMs() - performance.now()

/** For stamps that leave the process. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** A stamp of any process, on the clock of this one. */
export function onOurClock(stamp: number): number {
  return stamp - offset
}
