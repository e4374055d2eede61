import type { CoherenceKeys, DomainSettings } from '../coherence/index.ts'

/** What the scripts are told of the rules for sessions. */
export interface ScriptSettings extends DomainSettings {
  readonly keys: CoherenceKeys
  readonly idleMs: number
  /** Use is recorded at most once in this time. */
  readonly touchEveryMs: number
  /** The longest that any session may live: what depends on sessions must outlive it. */
  readonly longestMs: number
  readonly maxPerUser: number
  /** Bound of the data that an application keeps in one session, as JSON. */
  readonly mostDataBytes?: number
}

const dayMs = 86_400_000
const defaultMostDataBytes = 32 * 1024

/** How long a user's record and index are kept after they were last written. */
export function lifetimeOf({ longestMs }: ScriptSettings): number {
  return longestMs + dayMs
}

export function dataBoundOf({ mostDataBytes = defaultMostDataBytes }: ScriptSettings): number {
  return mostDataBytes
}
