/**
 * The answers in HTTP: `RateLimit-Policy`, `RateLimit` and `Retry-After` as in
 * draft-ietf-httpapi-ratelimit-headers-11 (lists of RFC 9651), made without a trip to Redis.
 */
import type { RateDecision } from './decision.ts'

/** `"api";q=1000;w=60, "search";q=10;w=1` */
export function rateLimitPolicyHeader(decisions: readonly RateDecision[]): string {
  return decisions.map(rateLimitPolicyItem).join(', ')
}

export function rateLimitPolicyItem({ policy, limit, windowMs }: RateDecision): string {
  return `"${policy}";q=${limit};w=${seconds(windowMs)}`
}

/** `"api";r=997;t=60`: what is left, and the seconds that it has to last for, or until there is more. */
export function rateLimitHeader(decisions: readonly RateDecision[]): string {
  return decisions.map(rateLimitItem).join(', ')
}

export function rateLimitItem(decision: RateDecision): string {
  const effectiveMs = decision.allowed ? decision.windowMs : decision.retryAfterMs
  return `"${decision.policy}";r=${decision.remaining};t=${seconds(effectiveMs)}`
}

/** Whole seconds, never earlier than the `t` of the same decision. */
export function retryAfterSeconds(retryAfterMs: number): number {
  return seconds(retryAfterMs)
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
