import type { Clock } from '../kernel/clock.ts'
import type { Stamp } from './coherence.ts'

/** What this process has seen of the domain in the replies of Redis. */
export interface IncarnationWatch {
  /** To be told of every reply, when it arrives. */
  saw(stamp: Stamp): void
  /** The furthest point of the incarnation that was seen last. */
  position(): Stamp
  /** Milliseconds since the first reply that carried it; 0 for one that was not seen last. */
  knownForMs(inc: string): number
}

export function watchIncarnation(clock: Clock, onChange: (inc: string) => void = () => {}): IncarnationWatch {
  let known: Stamp = { inc: '', seq: 0 }
  let since = 0
  return {
    saw({ inc, seq }) {
      const another = inc !== known.inc
      if (another || seq > known.seq) known = { inc, seq }
      if (!another) return
      since = clock.mono()
      onChange(inc)
    },
    position: () => known,
    knownForMs: (inc) => (inc === known.inc ? clock.mono() - since : 0),
  }
}
