/**
 * Waits until a revocation that Redis has recorded is true everywhere: until each member has acknowledged it, or its
 * lease is over by any clock, and until no one can hold anything from before this incarnation of Redis.
 *
 * Source: `Revoker` of docs/model/coherence.pml. Time is only ever measured on this process' monotonic clock, from
 * after the reply that is waited for; leases are never judged by Redis' clock.
 */
import type { Clock } from '../kernel/clock.ts'
import type {
  Confirmation,
  ConfirmOptions,
  DurabilityMode,
  Member,
  Recorded,
  Stamp,
  Waited,
} from './coherence.ts'
import { ackPollMs, maximumLeaseMs, revocationPatienceMs, surely } from './constants.ts'
import type { IncarnationWatch } from './incarnation-watch.ts'
import type { Look } from './looks.ts'

export interface RevokerDependencies {
  readonly clock: Clock
  readonly durability: DurabilityMode
  readonly incarnations: IncarnationWatch
  /** How far these members are, as of a moment after it was asked. */
  acks(memberIds: readonly string[]): Promise<Look>
  expel(inc: string, member: Member): Promise<void>
  /** Whether this process is that member and has applied what was announced: it need not ask Redis about itself. */
  appliedHere?(memberId: string, stamp: Stamp): boolean
  readonly onWaited?: (waited: Waited) => void
  /** Mode failover: resolves with the incarnation in which all that was written before this call is kept. */
  readonly replicated?: (() => Promise<string>) | undefined
}

export function createRevoker(dependencies: RevokerDependencies) {
  const { clock, durability, incarnations, acks, expel, onWaited, replicated } = dependencies
  const { appliedHere = () => false } = dependencies
  // Where data goes on over a restart, what Redis could not write is lost with it: silence proves nothing.
  const silenceIsEnough = durability === 'fence'

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
   * How many members were silent. Null when Redis turned out to be in another incarnation: what was recorded may be
   * lost. Throws when that can't be found out in time.
   */
  async function acknowledged(
    recorded: Recorded,
    { nothingEnded = false }: ConfirmOptions,
    { keptBy, giveUpAt }: { keptBy: number; giveUpAt: number },
  ): Promise<number | null> {
    const start = clock.mono()
    const kept = follow(replicated ? insist(replicated, keptBy) : recorded.inc)
    let missing = recorded.members.filter((member) => member.applied < recorded.seq)
    const awaited = missing.length
    const settled = () =>
      nothingEnded || recorded.settled || incarnations.knownForMs(recorded.inc) >= surely(maximumLeaseMs)
    const outwaited = () => clock.mono() - start >= surely(longestLease(missing))

    /** Redis has answered since the wait was over, or need not: it could not be reached, and the leases decide. */
    let answered = silenceIsEnough
    for (let look = 0; ; look++) {
      if (kept.failure) throw kept.failure.cause
      // It was kept in another incarnation, if at all.
      if (kept.value !== undefined && kept.value !== recorded.inc) return null
      const over = kept.value !== undefined && settled() && (missing.length === 0 || outwaited())
      if (over && answered) break
      if (clock.mono() >= giveUpAt) throw new Error('Redis changed and could not be asked again in time')
      // Our own message has come together with the reply, mostly. Those of the others take longer than a look.
      await (look === 0 ? nextTurn() : sleep(ackPollMs[Math.min(look, ackPollMs.length) - 1]!))
      missing = missing.filter(({ id }) => !appliedHere(id, recorded))
      if (look === 0 && (missing.length > 0 || answered)) continue
      const seen = await acks(missing.map(({ id }) => id)).catch(unreachable)
      // It was reached and refused, for now: until it answers, that is no absence.
      if (seen === 'refused') answered = false
      if (typeof seen === 'string') continue
      incarnations.saw(seen)
      if (seen.inc !== recorded.inc) return null
      const appliedBy = new Map(seen.members.map((member) => [member.id, member.applied]))
      missing = missing.filter(({ id }) => (appliedBy.get(id) ?? -1) < recorded.seq)
      answered = silenceIsEnough || over || (kept.value !== undefined && settled() && missing.length === 0)
    }

    // With the value seen when it was recorded: one that has been heard of since holds a lease again.
    for (const member of missing) void expel(recorded.inc, member).catch(() => {})
    onWaited?.({ ms: clock.mono() - start, acks: awaited, silent: missing.map((member) => member.id) })
    return missing.length
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
      const start = clock.mono()
      const giveUpAt = start + revocationPatienceMs
      let first: R | undefined
      try {
        for (;;) {
          const recorded = await insist(record, giveUpAt)
          incarnations.saw(recorded)
          // Recording again finds nothing left to end: what counts is what the first time found.
          first ??= recorded
          const bounds = { keptBy: giveUpAt, giveUpAt: giveUpAt + 2 * surely(maximumLeaseMs) }
          const silent = await acknowledged(recorded, options, bounds)
          if (silent !== null) {
            return {
              confirmed: true,
              proof: { members: recorded.members.length, silent, ms: clock.mono() - start },
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

/** Redis says that it can't keep what it is told: what it has recorded may be lost, whoever acknowledges it. */
const cannotKeep = /^(MISCONF|READONLY|NOREPLICAS|OOM)\b/

/** What a failed look says; throws when it says that the recording is worth nothing. */
function unreachable(cause: unknown): 'silent' | 'refused' {
  if (!(cause instanceof Error) || cause.name !== 'ReplyError') return 'silent'
  if (cannotKeep.test(cause.message)) throw cause
  return 'refused'
}

function longestLease(members: readonly Member[]): number {
  return Math.max(...members.map((member) => member.leaseMs))
}

/** How something stands that is under way. */
function follow<T>(work: T | Promise<T>): { value?: T; failure?: { cause: unknown } } {
  if (!(work instanceof Promise)) return { value: work }
  const standing: { value?: T; failure?: { cause: unknown } } = {}
  work.then(
    (value) => (standing.value = value),
    (cause: unknown) => (standing.failure = { cause }),
  )
  return standing
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
