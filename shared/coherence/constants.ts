/** The numbers of the coherence protocol (see docs/coherence.md), in milliseconds. */

/** No lease is longer than this, whatever a member asks for: what a newcomer must wait out at the most. */
export const maximumLeaseMs = 2_000
/** Added to every wait: what reading a clock and scheduling may cost. */
export const slackMs = 20
/** Monotonic clocks of two machines differ in rate by at most 0.2 %. */
export const driftFactor = 1.002
/** How long a member that finds itself behind waits for pub/sub before it gives up what it holds. */
export const catchUpMs = 30
/** How long a revocation goes on asking a Redis that does not answer. */
export const revocationPatienceMs = 5_000
/** How often a member shows itself that its event loop turns. */
export const turnMs = 50
/** An event loop that has not turned for so long, as long as a renewal takes to be due, may belong to a machine that stood still. */
export const stallMs = 250
/** Beyond what clocks that are adjusted gain on each other between two renewals. */
export const clockToleranceMs = 50
/**
 * The waits between two looks at the acknowledgements: close together while they normally come, some milliseconds after
 * the announcement, since a wait that is too long is what a logout takes longer; and ever further apart for what is late.
 */
export const ackPollMs = [1, 1, 1, 1, 1, 1, 2, 2, 2, 4, 4, 8, 16] as const

/** Mode failover: how long a sync waits for the replicas that must have it, as a part of the lease. */
export const replicationShare = 1 / 4
/** How often a promoted node that has not opened yet is looked at. */
export const promotionLookMs = 200
/** A promoted node that has not opened for so long may have been replaced itself: its address is looked up again. */
export const promotionStuckMs = 2_000
/** How long it may take to show that it lost nothing. */
export const promotionPatienceMs = 10_000
/** How often it is looked who follows the primary, while all of them do and while some are missing. */
export const replicaLookMs = { complete: 5_000, incomplete: 1_000 } as const

/** A time by our clock after which `ms` have surely passed by everybody's. */
export function surely(ms: number): number {
  return ms * driftFactor + slackMs
}

/** By then no lease that was granted before is left anywhere. */
export const maximumWaitMs = surely(maximumLeaseMs)

/**
 * What the scripts and messages of this release mean, as the record of a domain has it (lua/agreement.lua). Releases with
 * one number share a domain; it grows only when they can't.
 */
export const protocolVersion = 3
