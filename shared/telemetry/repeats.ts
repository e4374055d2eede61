/** Which repeats of one event are worth a line: the first few of a minute. The next one says how many were left out. */
export interface Repeats {
  /** Null: leave it out. Else how many of this key were left out since the last that was not. */
  admit(key: string): { readonly leftOut: number } | null
}

export interface RepeatsOptions {
  /** Of one key in a period. */
  readonly most: number
  /** Of all keys together: there may be very many. */
  readonly mostOfAll: number
  readonly periodMs?: number
  readonly now?: () => number
}

/** Beyond so many the oldest keys are forgotten. */
const mostKeys = 10_000

export function createRepeats({
  most,
  mostOfAll,
  periodMs = 60_000,
  now = () => performance.now(),
}: RepeatsOptions): Repeats {
  const keys = new Map<string, { since: number; admitted: number; leftOut: number }>()
  let since = Number.NEGATIVE_INFINITY
  let admittedOfAll = 0

  function entryOf(key: string, time: number) {
    const known = keys.get(key)
    if (known) return known
    const [oldest] = keys.keys()
    if (keys.size >= mostKeys && oldest !== undefined) keys.delete(oldest)
    const made = { since: time, admitted: 0, leftOut: 0 }
    keys.set(key, made)
    return made
  }

  return {
    admit(key) {
      const time = now()
      if (time - since >= periodMs) {
        since = time
        admittedOfAll = 0
      }
      const entry = entryOf(key, time)
      if (time - entry.since >= periodMs) {
        entry.since = time
        entry.admitted = 0
      }
      if (entry.admitted >= most || admittedOfAll >= mostOfAll) {
        entry.leftOut += 1
        return null
      }
      entry.admitted += 1
      admittedOfAll += 1
      const { leftOut } = entry
      entry.leftOut = 0
      return { leftOut }
    },
  }
}
