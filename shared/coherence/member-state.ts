/**
 * What one worker knows of the coherence domain, as a state machine without input or output: messages and replies
 * go in, decisions come out. Everything that makes a hit in memory trustworthy is in this file.
 *
 * It guarantees: while `leaseOk()`, nothing that was revoked with success is held, because a revoker waits until
 * this member has applied the revocation or its lease is over by any clock. It holds under lost, late and repeated
 * messages, a dead subscriber, late replies, a stalled or suspended process and a restarted Redis. It does not hold
 * when both clocks of the machine stand still together and nothing shows it.
 *
 * Source: the protocol model in docs/model (coherence.pml); the names there are `winc`, `applied`, `lease`.
 */
import type { Clock } from '../kernel/clock.ts'
import type { Stamp } from './coherence.ts'
import { clockToleranceMs, stallMs } from './constants.ts'
import type { Invalidation } from './invalidation.ts'

/** The clocks as they stood before a renewal was sent, and the lease that it asked for. */
export interface Renewal {
  readonly mono: number
  readonly wall: number
  readonly leaseMs: number
  /** How far the sender had applied, as the renewal says. */
  readonly applied: number
}

/** What to do with what is held. Called synchronously, before any other decision can be made. */
export interface MemberEffects {
  /** Apply one message: drop what it names. */
  apply(message: Invalidation): void
  /** Messages may have been missed: drop everything. */
  flush(): void
}

export type MessageOutcome = 'ignored' | 'applied' | 'gap'
export type ReplyOutcome = 'renewed' | 'behind' | 'new-incarnation' | 'went-back'

export class MemberState {
  /** The incarnation of Redis that all the rest speaks of; empty until the first reply. */
  inc = ''
  /** Every invalidation up to this one has been applied. */
  applied = 0
  #lease: Renewal | null = null
  /** A renewal whose reply named a number that is not applied yet. */
  #heldBack: { readonly renewal: Renewal; readonly reply: Stamp } | null = null
  /** When the event loop was seen to turn last; no one looks before the first time. */
  #turnedAt = Infinity
  /** Only a renewal that was sent since then counts. */
  #trustedFrom = -Infinity
  #clock: Clock
  #effects: MemberEffects

  constructor(clock: Clock, effects: MemberEffects) {
    this.#clock = clock
    this.#effects = effects
  }

  /**
   * Whether this member may decide from its memory now. Both clocks are read at every check: the wall clock catches
   * a machine that was suspended while its monotonic clock stood still. Never a flag that a timer clears: a stalled
   * process would read it before the timer runs.
   *
   * The two clocks must agree, and the event loop must have turned lately: otherwise the machine may have stood still
   * for longer than either clock says, and only a renewal that is sent afterwards can tell, by the clock of Redis.
   */
  leaseOk(): boolean {
    const lease = this.#lease
    if (lease === null || lease.mono < this.#trustedFrom) return false
    const now = this.#clock.mono()
    if (now >= lease.mono + lease.leaseMs || now - this.#turnedAt > stallMs) return false
    const elapsed = this.#clock.wall() - lease.wall
    return elapsed >= 0 && elapsed < lease.leaseMs && agree(elapsed, now - lease.mono)
  }

  /**
   * The event loop turns. To be called every `turnMs`; false when a renewal is needed before this member may decide
   * again: it had not turned for too long, or the clocks have parted.
   */
  turned(): boolean {
    const now = this.#clock.mono()
    const stalled = now - this.#turnedAt > stallMs
    this.#turnedAt = now
    if (stalled) this.#trustedFrom = now
    const lease = this.#lease
    return !stalled && (lease === null || agree(this.#clock.wall() - lease.wall, now - lease.mono))
  }

  /** Milliseconds of the lease that are left, for those who watch. */
  leaseLeftMs(): number {
    return this.leaseOk() ? this.#lease!.mono + this.#lease!.leaseMs - this.#clock.mono() : 0
  }

  /** Whether an answer of the authority is no older than what was applied here. To be asked when it is kept. */
  mayFill(stamp: Stamp): boolean {
    return stamp.inc === this.inc && stamp.seq >= this.applied
  }

  /** A message arrived. Messages of another incarnation and old ones mean nothing; a gap means that one was lost. */
  receive(message: Invalidation): MessageOutcome {
    if (message.inc !== this.inc || message.seq <= this.applied) return 'ignored'
    const next = message.seq === this.applied + 1
    if (next) this.#effects.apply(message)
    else this.#effects.flush()
    this.applied = message.seq
    return next ? 'applied' : 'gap'
  }

  /**
   * The reply to a sync arrived. `behind`: Redis knows of invalidations that were not applied here, so the renewal is
   * held back until they are (`caughtUp`); wait for the messages for a moment, then `giveUpTo` that point.
   * `went-back`: Redis has forgotten what was applied here, so it serves another past. It is told at the next sync, and
   * begins a new incarnation; nothing that is held counts meanwhile.
   */
  renewed(renewal: Renewal, reply: Stamp): ReplyOutcome {
    if (reply.inc !== this.inc) {
      this.#effects.flush()
      this.inc = reply.inc
      this.applied = reply.seq
      this.#lease = renewal
      this.#heldBack = null
      return 'new-incarnation'
    }
    if (reply.seq < renewal.applied) {
      this.#effects.flush()
      this.dropLease()
      return 'went-back'
    }
    if (this.applied < reply.seq) {
      // The first one that waits is reached first; under steady traffic a newer one would never be.
      this.#heldBack ??= { renewal, reply }
      return 'behind'
    }
    this.#lease = renewal
    return 'renewed'
  }

  /**
   * Grants the renewal that was held back, if everything that its reply named is applied by now: it is worth as much as
   * if the reply had come at this moment, and counts from when it was sent.
   */
  caughtUp(): void {
    const waiting = this.#heldBack
    if (waiting === null || this.applied < waiting.reply.seq) return
    this.#heldBack = null
    if (waiting.reply.inc !== this.inc) return
    if (this.#lease === null || waiting.renewal.mono > this.#lease.mono) this.#lease = waiting.renewal
  }

  /** The messages up to `stamp` did not come: drop everything and take up from there. False when they did come. */
  giveUpTo(stamp: Stamp): boolean {
    if (stamp.inc !== this.inc || this.applied >= stamp.seq) return false
    this.#effects.flush()
    this.applied = stamp.seq
    return true
  }

  /** Stops deciding from memory until the next renewal. */
  dropLease(): void {
    this.#lease = null
    this.#heldBack = null
  }
}

/** Whether both clocks say that about as much time has passed. */
function agree(byWall: number, byMono: number): boolean {
  return Math.abs(byWall - byMono) <= clockToleranceMs
}
