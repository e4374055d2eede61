/** What a policy has left for a key, as far as this worker knows without asking. For headers. */
export interface Quota {
  readonly policy: string
  readonly limit: number
  readonly windowMs: number
  /** Admissions left now; exact right after a trip to Redis, else what it was then, less what was used here. */
  readonly remaining: number
  /** The moment that was decided for, on the limiter's `mono`. */
  readonly at: number
}

export interface Admission extends Quota {
  readonly allowed: true
}

/** `limit`: the quota is used up. `quarantine`: Redis lost charges, so no one knows; not the caller's fault. */
export type DenialReason = 'limit' | 'quarantine'

export interface Refusal extends Quota {
  readonly allowed: false
  readonly reason: DenialReason
  /** Asking earlier is in vain. */
  readonly retryAfterMs: number
}

export type RateDecision = Admission | Refusal

/** The answer of several policies together: all of them were charged, or none. */
export type JointDecision =
  | { readonly allowed: true; readonly decisions: readonly Admission[] }
  | {
      readonly allowed: false
      readonly reason: DenialReason
      readonly retryAfterMs: number
      /** Those that refused. */
      readonly decisions: readonly Refusal[]
    }

/** Several decisions as one: refused when one of them is. */
export function join(decisions: readonly RateDecision[]): JointDecision {
  const refusals = decisions.filter((decision): decision is Refusal => !decision.allowed)
  if (refusals.length === 0) return { allowed: true, decisions: decisions as Admission[] }
  return {
    allowed: false,
    reason: refusals.some(({ reason }) => reason === 'limit') ? 'limit' : 'quarantine',
    retryAfterMs: Math.max(...refusals.map(({ retryAfterMs }) => retryAfterMs)),
    decisions: refusals,
  }
}
