/**
 * The answers in HTTP: `RateLimit-Policy`, `RateLimit` and `Retry-After` as in
 * draft-ietf-httpapi-ratelimit-headers-11 (lists of RFC 9651), made without a trip to Redis.
 */
import type { RateDecision } from './decision.ts'

/** `"api";q=1000;w=60, "search";q=10;w=1` */
export function rateLimitPolicyHeader(decisions: readonly RateDecision[]): string {
  return decisions
    .map(({ policy, limit, windowMs }) => `"${policy}";q=${limit};w=${seconds(windowMs)}`)
    .join(', ')
}

/** `"api";r=997;t=60`: what is left, and the seconds that it has to last for, or until there is more. */
export function rateLimitHeader(decisions: readonly RateDecision[]): string {
  return decisions
    .map((decision) => {
      const effectiveMs = decision.allowed ? decision.windowMs : decision.retryAfterMs
      return `"${decision.policy}";r=${decision.remaining};t=${seconds(effectiveMs)}`
    })
    .join(', ')
}

/** Whole seconds, never earlier than the `t` of the same decision. */
export function retryAfterSeconds(retryAfterMs: number): number {
  return seconds(retryAfterMs)
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000))
}
