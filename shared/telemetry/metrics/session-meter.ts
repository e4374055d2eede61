import type { Coherence, Waited } from '../../coherence/index.ts'
import type { SessionService } from '../../sessions/index.ts'
import { createHistogram, reading, type Reading } from './reading.ts'

export interface SessionMeter {
  /** To be told how each revocation went: `onWaited` of the sessions. */
  waited(waited: Waited): void
  /** The milliseconds of the slowest since this was last asked; null when there was none. */
  takeSlowest(): number | null
  read(sessions: MeasuredSessions, coherence: MeasuredCoherence): Reading[]
}

export type MeasuredSessions = Pick<SessionService, 'counters' | 'cachedSessions'>
export type MeasuredCoherence = Pick<Coherence, 'counters' | 'leaseOk'>

/** Beyond so many, members that were waited for are counted together. */
const mostMembers = 100

/** What the sessions of one worker do. `worker` names its gauges; its counts are those of the whole cluster. */
export function createSessionMeter(worker: string): SessionMeter {
  const durations = createHistogram('lockstep_revocation_duration_seconds')
  const silent = new Map<string, number>()
  let acks = 0
  let slowest: number | null = null

  function countSilent(memberId: string): void {
    const place = placeOf(memberId)
    const member = silent.has(place) || silent.size < mostMembers ? place : 'others'
    silent.set(member, (silent.get(member) ?? 0) + 1)
  }

  return {
    waited(waited) {
      durations.observe(waited.ms / 1e3)
      acks += waited.acks
      slowest = Math.max(slowest ?? 0, waited.ms)
      waited.silent.forEach(countSilent)
    },
    takeSlowest() {
      const taken = slowest
      slowest = null
      return taken
    },
    read({ counters, cachedSessions }, { counters: coherence, leaseOk }) {
      return [
        reading('lockstep_session_loads_total', counters.loads),
        reading('lockstep_session_hits_total', counters.hits),
        reading('lockstep_session_fills_refused_total', counters.fillsRefused),
        reading('lockstep_session_corrupt_total', counters.corrupt),
        reading('lockstep_sessions_revoked_total', counters.revoked),
        reading('lockstep_sessions_cached', cachedSessions(), { worker }),
        reading('lockstep_lease_held', leaseOk() ? 1 : 0, { worker }),
        reading('lockstep_lease_lapses_total', coherence.leaseLapses, { worker }),
        reading('lockstep_coherence_syncs_total', coherence.syncs),
        reading('lockstep_coherence_sync_failures_total', coherence.syncFailures),
        reading('lockstep_coherence_messages_total', coherence.applied),
        reading('lockstep_coherence_gaps_total', coherence.gaps),
        reading('lockstep_coherence_flushes_total', coherence.flushes),
        reading('lockstep_coherence_malformed_messages_total', coherence.malformedMessages),
        reading('lockstep_coherence_subscriber_resets_total', coherence.subscriberResets),
        durations.read(),
        reading('lockstep_revocation_acks_total', acks),
        ...[...silent].map(([member, count]) =>
          reading('lockstep_revocation_silent_total', count, { member }),
        ),
        reading('lockstep_revocations_unconfirmed_total', counters.unconfirmed),
      ]
    },
  }
}

/** `host:place:random` without what is new with every process. */
function placeOf(memberId: string): string {
  return memberId.slice(0, memberId.lastIndexOf(':'))
}
