/** What a decision about a limit looks like to the client: the fields of an answer, and the refusal. */
import type { ServerResponse } from 'node:http'
import { problem, type Problem } from '../app/problem.ts'
import type { Admission, JointDecision, RateDecision } from './decision.ts'
import {
  rateLimitHeader,
  rateLimitItem,
  rateLimitPolicyHeader,
  rateLimitPolicyItem,
  retryAfterSeconds,
} from './headers.ts'

type Admitted = Extract<RateDecision | JointDecision, { allowed: true }>
type Refused = Exclude<RateDecision | JointDecision, { allowed: true }>

/** Says on the answer what is left. */
export function announceQuota(res: ServerResponse, decision: Admitted): void {
  if ('decisions' in decision) for (const each of decision.decisions) announce(res, each)
  else announce(res, decision)
}

function announce(res: ServerResponse, admission: Admission): void {
  if (admission.limit === Infinity) return
  append(res, 'RateLimit-Policy', rateLimitPolicyItem(admission))
  append(res, 'RateLimit', rateLimitItem(admission))
}

/** The fields are lists: a limit comes in addition to those before it. */
function append(res: ServerResponse, field: string, item: string): void {
  const before = res.getHeader(field)
  res.setHeader(field, before === undefined ? item : `${String(before)}, ${item}`)
}

/** Those that refused. */
export function refusedPolicies(decision: Refused): string[] {
  const refusals = 'decisions' in decision ? decision.decisions : [decision]
  return refusals.map(({ policy }) => policy)
}

/** The answer to what a limit refuses. */
export function refusal(decision: Refused): Problem {
  const refusals = 'decisions' in decision ? decision.decisions : [decision]
  const retryAfter = retryAfterSeconds(decision.retryAfterMs)
  const headers = { 'Retry-After': String(retryAfter) }
  if (decision.reason === 'quarantine') {
    return problem('unavailable', 'what was used of the limits was lost and has to be waited out', {
      headers,
    })
  }
  const names = refusedPolicies(decision)
  const detail = `the limit ${names.join(' and ')} is used up: please try again in ${retryAfter} s`
  return problem('quota-exceeded', detail, {
    headers: {
      ...headers,
      'RateLimit-Policy': rateLimitPolicyHeader(refusals),
      RateLimit: rateLimitHeader(refusals),
    },
    members: { 'violated-policies': names },
  })
}
