import type { Clock } from '../kernel/clock.ts'

/** Since when has this process known the incarnation that Redis is in? */
export interface IncarnationWatch {
  /** To be told of the incarnation in every reply, when it arrives. */
  saw(inc: string): void
  /** Milliseconds since the first reply that carried it; 0 for one that was not seen last. */
  knownForMs(inc: string): number
}

export function watchIncarnation(clock: Clock, onChange: (inc: string) => void = () => {}): IncarnationWatch {
  let known = ''
  let since = 0
  return {
    saw(inc) {
      if (inc === known) return
      known = inc
      since = clock.mono()
      onChange(inc)
    },
    knownForMs: (inc) => (inc === known ? clock.mono() - since : 0),
  }
}
