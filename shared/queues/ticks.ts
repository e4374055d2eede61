/**
 * When a schedule is due. Pure: times in, times out, all in milliseconds since 1970.
 *
 * The answer must not depend on the moment of asking, since every worker, every restart and every deploy asks
 * anew. cron-parser does not promise that around a change of the clocks (asked in the repeated hour of autumn it
 * names 02:30 a second time; where clocks are changed by half an hour it finds nothing at all), so it is only
 * asked in UTC, where no clock changes, and what that means in a place is decided here:
 *  - a time that the clocks leave out is as much later (02:30 becomes 03:30);
 *  - a time that they show twice counts the first time;
 *  - unless every hour counts (`*`): then ticks go by real time, through gaps and repetitions.
 */
import { CronExpressionParser } from 'cron-parser'
import { wallClock, type WallClock } from './wall-clock.ts'

/** Ticks by the calendar of a place, or at every multiple of an interval since 1970. */
export type Timing =
  | { readonly pattern: string; readonly timezone: string }
  | { readonly everyMs: number; readonly timezone: string }

/** The first tick after the given time. Throws when there is none. */
export function nextTick(timing: Timing, after: number): number {
  if ('everyMs' in timing) return (Math.floor(after / timing.everyMs) + 1) * timing.everyMs
  const clock = wallClock(timing.timezone)
  return everyHourCounts(timing.pattern)
    ? nextInRealTime(timing.pattern, clock, after)
    : nextOnTheWall(timing.pattern, clock, after)
}

/** The first `count` ticks after the given time. */
export function nextTicks(timing: Timing, after: number, count: number): number[] {
  const ticks: number[] = []
  for (let last = after; ticks.length < count; ticks.push(last)) last = nextTick(timing, last)
  return ticks
}

/**
 * The last `limit` ticks from `first`, itself a tick, to `now`, both included. Costs as much after a year as after
 * a minute.
 */
export function dueTicks(timing: Timing, first: number, now: number, limit: number): number[] {
  const due: number[] = []
  let tick = Math.max(first, tickBefore(timing, now, limit))
  for (; tick <= now; tick = nextTick(timing, tick)) due.push(tick)
  return due.slice(-limit)
}

/** A tick that has at least `count` others between itself and `now`, if there are so many. */
function tickBefore(timing: Timing, now: number, count: number): number {
  if ('everyMs' in timing) return (Math.floor(now / timing.everyMs) - count) * timing.everyMs
  const { offsetMs } = wallClock(timing.timezone)
  const expression = parse(timing.pattern, now + offsetMs(now))
  let wall = Number.NaN
  try {
    for (let back = 0; back <= count; back++) wall = expression.prev().getTime()
  } catch {
    return Number.NEGATIVE_INFINITY
  }
  // A change of the clocks moves ticks by less than this.
  const ample = 3 * 60 * 60 * 1_000
  return nextTick(timing, wall - offsetMs(wall) - ample)
}

function nextOnTheWall(pattern: string, clock: WallClock, after: number): number {
  const expression = parse(pattern, after + clock.offsetMs(after) - leftOutBefore(clock, after))
  let tick = Number.POSITIVE_INFINITY
  // What the clocks left out comes later, perhaps after what follows it on the wall.
  for (let wall = 0; tick === Number.POSITIVE_INFINITY || wall < tick + clock.offsetMs(tick);) {
    wall = expression.next().getTime()
    const moment = clock.moment(wall)
    if (moment > after) tick = Math.min(tick, moment)
  }
  return tick
}

/** How much the clocks have left out so recently that ticks in it may still be to come. */
function leftOutBefore({ offsetMs }: WallClock, at: number): number {
  const gap = offsetMs(at) - offsetMs(at - 3 * 60 * 60 * 1_000)
  return gap > 0 && offsetMs(at - gap) < offsetMs(at) ? gap : 0
}

function nextInRealTime(pattern: string, clock: WallClock, after: number): number {
  let from = after
  let offset = clock.offsetMs(after)
  for (;;) {
    const tick =
      parse(pattern, from + offset)
        .next()
        .getTime() - offset
    if (clock.offsetMs(tick) === offset) return tick
    const change = clock.nextChange(from, tick)
    offset = clock.offsetMs(change)
    from = change - 1
  }
}

function everyHourCounts(pattern: string): boolean {
  return parse(pattern, 0).fields.hour.values.length === 24
}

/** The pattern on a calendar whose clocks never change, from this wall time on. */
function parse(pattern: string, wall: number) {
  return CronExpressionParser.parse(pattern, { currentDate: new Date(wall), tz: 'UTC' })
}
