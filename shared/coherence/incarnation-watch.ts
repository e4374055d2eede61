import type { Clock } from '../kernel/clock.ts'
import type { Stamp } from './coherence.ts'

/** What this process has seen of the domain in the replies of Redis. */
export interface IncarnationWatch {
  /** To be told of every reply, when it arrives. */
  saw(stamp: Stamp): void
  /** To be told of the incarnation of every sync that is confirmed, when its reply arrives. */
  confirmed(inc: string): void
  /** The furthest point of the incarnation that was seen last. */
  position(): Stamp
  /** Milliseconds since the first reply that carried it; 0 for one that was not seen last. */
  knownForMs(inc: string): number
}

export interface IncarnationWatchOptions {
  readonly onChange?: (inc: string) => void
  /**
   * Mode failover: only a confirmed sync shows that the nodes that it was confirmed by have left the primary before,
   * so that no lease is granted there any more. Until then an incarnation is not known, whoever saw it.
   */
  readonly needsConfirmation?: boolean
}

export function watchIncarnation(clock: Clock, options: IncarnationWatchOptions = {}): IncarnationWatch {
  const { onChange = () => {}, needsConfirmation = false } = options
  let seen: Stamp = { inc: '', seq: 0 }
  let known = ''
  let since = 0

  function confirmed(inc: string): void {
    if (inc === known) return
    known = inc
    since = clock.mono()
  }

  return {
    saw({ inc, seq }) {
      const another = inc !== seen.inc
      if (another || seq > seen.seq) seen = { inc, seq }
      if (!needsConfirmation) confirmed(inc)
      if (another) onChange(inc)
    },
    confirmed,
    position: () => seen,
    knownForMs: (inc) => (inc === known ? clock.mono() - since : 0),
  }
}
