/**
 * The tokens that one worker holds for one key. Each lease ends on its own deadline, on both clocks of the process:
 * `mono` can't be set, and `wall` goes on while the machine is suspended.
 */
import type { Clock } from '../kernel/clock.ts'
import type { Grant } from './ledgers.ts'

export interface Lease {
  readonly grant: Grant
  readonly until: number
  readonly untilWall: number
  tokens: number
}

export interface Purse {
  readonly leases: Lease[]
  /** Of all leases, also those that have ended but were not looked at since. */
  balance: number
}

export function createPurse(): Purse {
  return { leases: [], balance: 0 }
}

export function hasEnded(lease: Lease, now: number, clock: Clock): boolean {
  return now >= lease.until || clock.wall() >= lease.untilWall
}

/** Drops the leases that have ended, and returns how many tokens went with them. */
export function dropEnded(purse: Purse, now: number, clock: Clock): number {
  let dropped = 0
  // They are kept in the order of their ends: the first that has not ended is followed by none that has.
  for (let first = purse.leases[0]; first && hasEnded(first, now, clock); first = purse.leases[0]) {
    purse.leases.shift()
    purse.balance -= first.tokens
    dropped += first.tokens
  }
  return dropped
}

export function addLease(purse: Purse, lease: Lease): void {
  const { leases } = purse
  // Terms vary with how long trips take, so that a later lease may end earlier.
  let at = leases.length
  while (at > 0 && (leases[at - 1] as Lease).until > lease.until) at -= 1
  leases.splice(at, 0, lease)
  purse.balance += lease.tokens
}

/** Uses tokens, those that end first. The caller has seen to it that there are enough. */
export function spend(purse: Purse, cost: number): void {
  purse.balance -= cost
  let left = cost
  for (let first = purse.leases[0]; first && left > 0; first = purse.leases[0]) {
    const part = Math.min(left, first.tokens)
    first.tokens -= part
    left -= part
    if (first.tokens === 0) purse.leases.shift()
  }
}

/** Takes everything out, for a refund. */
export function empty(purse: Purse): Lease[] {
  purse.balance = 0
  return purse.leases.splice(0)
}
