/**
 * What the clocks of a place show. A wall time is written as the milliseconds since 1970 at which UTC shows the
 * same, so that a calendar without changes of the clocks can reckon with it.
 */
export interface WallClock {
  /** How far the clocks of the place are ahead of UTC at this moment. */
  offsetMs(at: number): number
  /** When they show this for the first time; where they leave it out, as much later as they leave out. */
  moment(wall: number): number
  /** When they were changed, between two moments at which they differ from UTC by different amounts. */
  nextChange(from: number, to: number): number
}

const dayMs = 24 * 60 * 60 * 1_000
const clocks = new Map<string, WallClock>()

export function wallClock(timezone: string): WallClock {
  const known = clocks.get(timezone)
  if (known) return known
  const made = createWallClock(timezone)
  clocks.set(timezone, made)
  return made
}

function createWallClock(timezone: string): WallClock {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: timezone, timeZoneName: 'longOffset' })

  function offsetMs(at: number): number {
    const match = /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?/.exec(format.format(at))
    if (!match) return 0
    const [, sign, hours, minutes, seconds = 0] = match
    const total = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
    return (sign === '-' ? -total : total) * 1_000
  }

  return {
    offsetMs,

    moment(wall) {
      const before = wall - offsetMs(wall - dayMs)
      const after = wall - offsetMs(wall + dayMs)
      const shown = [before, after].filter((at) => at + offsetMs(at) === wall)
      return shown.length > 0 ? Math.min(...shown) : before
    },

    nextChange(from, to) {
      const offset = offsetMs(from)
      let [same, changed] = [from, to]
      while (changed - same > 1) {
        const middle = Math.floor((same + changed) / 2)
        if (offsetMs(middle) === offset) same = middle
        else changed = middle
      }
      return changed
    },
  }
}
