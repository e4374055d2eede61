/**
 * Waits until a revocation that Redis has recorded is true everywhere: until each member has acknowledged it, or its
 * lease is over by any clock, and until nobody can hold anything from before this incarnation of Redis.
 *
 * Source: `Revoker` of docs/model/coherence.pml. Time is only ever measured on this process' monotonic clock, from
 * after the reply that is waited for; leases are never judged by Redis' clock.
 */
import type { Clock } from '../kernel/clock.ts'
import type { Confirmation, ConfirmOptions, Member, Recorded, Waited } from './coherence.ts'
import { ackPollMs, maximumLeaseMs, revocationPatienceMs, surely } from './constants.ts'
import type { IncarnationWatch } from './incarnation-watch.ts'

export interface RevokerDependencies {
  readonly clock: Clock
  readonly incarnations: IncarnationWatch
  acks(): Promise<{ inc: string; members: Member[] }>
  expel(inc: string, member: Member): Promise<void>
  readonly onWaited?: (waited: Waited) => void
}

export function createRevoker({ clock, incarnations, acks, expel, onWaited }: RevokerDependencies) {
  /** Asks again until Redis answers, for a bounded time. What is asked must be harmless to do twice. */
  async function insist<R>(record: () => Promise<R>, giveUpAt: number): Promise<R> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await record()
      } catch (cause) {
        const pauseMs = Math.min(25 * 2 ** attempt, 250)
        if (clock.mono() + pauseMs >= giveUpAt) throw cause
        await sleep(pauseMs)
      }
    }
  }

  /**
   * False when Redis turned out to be in another incarnation: what was recorded may be lost. Throws when that can't
   * be found out in time.
   */
  async function acknowledged(
    recorded: Recorded,
    { nothingEnded = false }: ConfirmOptions,
    giveUpAt: number,
  ): Promise<boolean> {
    const start = clock.mono()
    let missing = recorded.members.filter((member) => member.applied < recorded.seq)
    const awaited = missing.length
    const settled = () =>
      nothingEnded || recorded.settled || incarnations.knownForMs(recorded.inc) >= surely(maximumLeaseMs)
    const outwaited = () => clock.mono() - start >= surely(longestLease(missing))

    for (let look = 0; ; look++) {
      if (settled() && (missing.length === 0 || outwaited())) break
      if (clock.mono() >= giveUpAt) throw new Error('Redis changed and could not be asked again in time')
      await sleep(ackPollMs[Math.min(look, ackPollMs.length - 1)]!)
      // Redis may be away meanwhile: then the leases decide.
      const seen = await acks().catch(() => null)
      if (seen === null) continue
      incarnations.saw(seen.inc)
      if (seen.inc !== recorded.inc) return false
      const appliedBy = new Map(seen.members.map((member) => [member.id, member.applied]))
      missing = missing.filter(({ id }) => (appliedBy.get(id) ?? -1) < recorded.seq)
    }

    // With the value seen when it was recorded: one that has been heard of since holds a lease again.
    for (const member of missing) void expel(recorded.inc, member).catch(() => {})
    onWaited?.({ ms: clock.mono() - start, acks: awaited, silent: missing.map((member) => member.id) })
    return true
  }

  return {
    /**
     * Records by calling `record`, repeatedly while Redis does not answer, and waits. Resolves, never rejects;
     * what it takes is bounded by the patience, the time a command may take and the longest lease.
     */
    async confirm<R extends Recorded>(
      record: () => Promise<R>,
      options: ConfirmOptions = {},
    ): Promise<Confirmation<R>> {
      const giveUpAt = clock.mono() + revocationPatienceMs
      let first: R | undefined
      try {
        for (;;) {
          const recorded = await insist(record, giveUpAt)
          incarnations.saw(recorded.inc)
          // Recording again finds nothing left to end: what counts is what the first time found.
          first ??= recorded
          if (await acknowledged(recorded, options, giveUpAt + 2 * surely(maximumLeaseMs))) {
            return {
              confirmed: true,
              recorded: { ...recorded, count: Math.max(first.count, recorded.count) },
            }
          }
        }
      } catch (cause) {
        return { confirmed: false, cause }
      }
    },
  }
}

function longestLease(members: readonly Member[]): number {
  return Math.max(...members.map((member) => member.leaseMs))
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
