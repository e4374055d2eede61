export type {
  Announcements,
  Coherence,
  CoherenceCounters,
  Confirmation,
  ConfirmOptions,
  DurabilityMode,
  Follower,
  Member,
  Proof,
  Recorded,
  Stamp,
  Waited,
} from './coherence.ts'
export type { Failover, NodeAddress } from './failover.ts'
export { assignedDurability } from './assigned-durability.ts'
export { durabilities, type Durability } from './durability-words.ts'
export { maximumLeaseMs, maximumWaitMs } from './constants.ts'
export { freshValue } from './fresh-value.ts'
export { coherenceKeys, type CoherenceKeys } from './keys.ts'
export { openCoherence, type CoherenceOptions } from './open-coherence.ts'
export { createCoherenceScripts, createDomainRunner, parseRecorded, type DomainSettings } from './scripts.ts'
