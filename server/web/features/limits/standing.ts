/** What stands against whom, and lifting it: for administrators, over HTTP and on the command line. */
import { emailKey } from '../../../../shared/accounts/email-key.ts'
import { normalizeSubject } from '../../../../shared/limits/address.ts'
import { loginPolicies, type LoginPolicy } from '../../../../shared/limits/login-guard.ts'
import { resetMailPolicy, type Limits } from '../../../../shared/limits/open-limits.ts'

export interface LimitStanding {
  readonly policy: string
  /** As it is charged. */
  readonly key: string
  /** Null: not limited. */
  readonly limit: number | null
  readonly windowMs: number | null
  readonly charged: number
  readonly remaining: number | null
  readonly retryAfterMs: number
}

type Parts = Pick<Limits, 'limiter' | 'guard'>

/** Null when there is no such policy. */
export async function standingOf(
  limits: Parts,
  policy: string,
  typed: string,
): Promise<LimitStanding | null> {
  if (!policiesOf(limits).includes(policy)) return null
  const key = keyFor(policy, typed)
  const unlimited = { policy, key, limit: null, windowMs: null, charged: 0, remaining: null, retryAfterMs: 0 }
  if (isLoginPolicy(policy)) {
    const found = await limits.guard.inspect(policy, key)
    return found ? { ...unlimited, ...found, remaining: Math.max(0, found.limit - found.charged) } : unlimited
  }
  const found = await limits.limiter.inspect(policy, key)
  if (!found) return unlimited
  const { limit, windowMs, charged, remaining, retryAfterMs } = found
  return { policy, key, limit, windowMs, charged, remaining, retryAfterMs }
}

/** Forgets what the key has used, and gives the key as it is charged; null when there is no such policy. */
export async function liftLimit(limits: Parts, policy: string, typed: string): Promise<string | null> {
  if (!policiesOf(limits).includes(policy)) return null
  const key = keyFor(policy, typed)
  if (isLoginPolicy(policy)) await limits.guard.reset(policy, key)
  else await limits.limiter.reset(policy, key)
  return key
}

export function policiesOf(limits: Parts): string[] {
  return [...limits.limiter.policies().map(({ name }) => name), ...loginPolicies]
}

function isLoginPolicy(policy: string): policy is LoginPolicy {
  return loginPolicies.includes(policy as LoginPolicy)
}

/** As people type it, by the functions that charge it. */
function keyFor(policy: string, typed: string): string {
  if (policy === 'login-account' || policy === resetMailPolicy) return emailKey(typed)
  const subject = normalizeSubject(typed)
  return policy === 'login-ip' ? subject.replace(/^ip:/, '') : subject
}
