/**
 * A coherence domain, as the parts of one process use it. What one process announces is applied by every other one
 * before it counts as done, or the others have stopped trusting what they hold.
 *
 * A part that keeps something in memory which another process may make untrue follows announcements of a kind of its
 * own, and decides from its memory only under the lease:
 *
 * ```ts
 * coherence.follow('prices', {
 *   apply: (id) => void prices.delete(id),  // one announcement: drop or change what it names
 *   refresh: () => prices.clear(),          // announcements may have been missed: drop, or read again
 * })
 * const price = (coherence.leaseOk() && prices.get(id)) || (await loadPrice(id))
 * await coherence.announce('prices', id)    // resolves when no one uses the old one any more
 * ```
 *
 * What holds: when `announce` (or `confirm`) succeeds, each member has applied the announcement, or its lease is over
 * by any clock, so `leaseOk()` is false there. `apply` and `refresh` may be asynchronous; a member acknowledges
 * nothing, and is granted no lease, before they have resolved. What was read from Redis may be kept only if
 * `mayFill` says so at the moment of keeping it. See docs/coherence.md.
 */
import type { Service } from '../kernel/lifecycle.ts'
import type { CoherenceKeys } from './keys.ts'

/**
 * What a failure of Redis does: what was kept there goes on, or a new epoch begins and none of it counts, or it goes on
 * where the data nodes can show that nothing was lost.
 */
export type DurabilityMode = 'keep' | 'fence' | 'failover'

/** Every reply reports which incarnation of Redis it speaks, and up to which announcement. */
export interface Stamp {
  readonly inc: string
  readonly seq: number
}

/** One member as the record in Redis shows it. */
export interface Member {
  readonly id: string
  /** As stored, to be compared when it is expelled. */
  readonly value: string
  readonly applied: number
  readonly leaseMs: number
}

/** An announcement as Redis recorded it: what must be acknowledged, and by whom. */
export interface Recorded extends Stamp {
  /** Some member has known this incarnation for the longest lease: no one holds anything of an older one. */
  readonly settled: boolean
  readonly members: readonly Member[]
  /** How much it ended, for those who record more than an announcement. */
  readonly count: number
}

/** What it rests on that an announcement is in effect everywhere. */
export interface Proof {
  /** The members that there were, this one included. */
  readonly members: number
  /** Those among them that did not answer: they may decide nothing any more, since their leases are over. */
  readonly silent: number
  /** From when it was asked for. */
  readonly ms: number
}

export type Confirmation<R extends Recorded> =
  | { readonly confirmed: true; readonly recorded: R; readonly proof: Proof }
  | { readonly confirmed: false; readonly cause: unknown }

export interface ConfirmOptions {
  /** Nothing was ended: what a worker of an earlier incarnation may still hold is no worse than before. */
  readonly nothingEnded?: boolean
}

/** How a confirmation went, for those who watch. */
export interface Waited {
  readonly ms: number
  /** Acknowledgements that were waited for. */
  readonly acks: number
  /** The members that did not answer, so that their leases had to end first. */
  readonly silent: readonly string[]
}

/** What a part does about announcements of its kind. Nothing is acknowledged before what these return resolves. */
export interface Follower {
  /** An announcement of its kind. Whatever must end with what it names ends here. */
  apply(text: string): void | Promise<void>
  /** Announcements may have been missed: give up what is held, or read the whole state again. */
  refresh(): void | Promise<void>
}

/** Counters since the start, for metrics. */
export interface CoherenceCounters {
  syncs: number
  syncFailures: number
  /** Leases that ended before they were renewed. */
  leaseLapses: number
  applied: number
  gaps: number
  flushes: number
  malformedMessages: number
  subscriberResets: number
}

/** What parts that only follow and announce need. */
export interface Announcements {
  /** May this process decide from what it holds, at this very moment? Ask at each decision, never remember it. */
  leaseOk(): boolean
  /** Registers the follower of a kind, before `start` or later. It is refreshed before the next acknowledgement. */
  follow(kind: string, follower: Follower): void
  /** Tells every member. Throws `Unavailable` when that can't be confirmed: announcing again is safe. */
  announce(kind: string, text: string): Promise<void>
}

export interface Coherence extends Announcements, Service {
  /** Which member this process is. */
  readonly memberId: string
  readonly keys: CoherenceKeys
  readonly durability: DurabilityMode
  readonly counters: Readonly<CoherenceCounters>
  /** Milliseconds of the lease that are left, for those who watch. */
  leaseLeftMs(): number
  /** Whether an answer of Redis is no older than what was applied here. To be asked when it is kept. */
  mayFill(stamp: Stamp): boolean
  /**
   * Whether what Redis answered in this incarnation counts. In mode failover a primary that was replaced may not know
   * it, and go on answering: there it counts only under a lease of the same incarnation. To be asked after the answer.
   */
  believes(inc: string): boolean | Promise<boolean>
  /**
   * Whether what was written in this incarnation before this call lives through a failover: asked before a client is
   * told of something that it relies on, and that no `confirm` covers. Rejects when that can't be found out.
   */
  keeps(inc: string): boolean | Promise<boolean>
  /** To be told of every reply of a script of the domain, when it arrives. */
  saw(stamp: Stamp): void
  /** The furthest that this process has seen the domain; every script of the domain is told. */
  position(): Stamp
  /**
   * For parts whose own scripts announce: calls `record` until Redis answers, then waits as `announce` does. Resolves,
   * never rejects. `record` must be harmless to do twice.
   */
  confirm<R extends Recorded>(record: () => Promise<R>, options?: ConfirmOptions): Promise<Confirmation<R>>
  /** Begins a new incarnation and a new epoch on purpose: nothing that was kept in the old one counts. */
  beginEpoch(): Promise<void>
}
