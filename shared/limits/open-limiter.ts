/**
 * The rate limits of an application with a server of its own: by a name and a Redis, or in the domain that its sessions
 * have opened already. What the middleware (koa.ts) is built on.
 */
import { saidBy, unknownOptions } from '../domain/option-problems.ts'
import { placeOptions, placePart, type PartPlace } from '../domain/part-place.ts'
import { systemClock } from '../kernel/clock.ts'
import { NotStarted } from '../kernel/errors.ts'
import { deadlineIn, type Deadline, type Service } from '../kernel/lifecycle.ts'
import {
  checkPolicyName,
  termsOf,
  type LimitPolicy,
  type LimitRule,
  type OnDataLoss,
  type OnOutage,
} from './policy.ts'
import { createRateLimiter, type RateLimiter } from './rate-limiter.ts'

/** At most `limit` in any window of `windowMs`, or a `rule` that says so for each key. */
export interface LimitDescription {
  /** Shown in headers and metrics: `[a-z0-9._-]`. The same name and window is the same limit in every process. */
  readonly name: string
  readonly limit?: number
  readonly windowMs?: number
  /** Instead of both: `'off'`, or a function that gives each key its own. */
  readonly rule?: LimitRule | ((key: string) => LimitRule)
  /** While Redis does not answer: `closed` (503, the default), `open`, or `share` (needs `workers`). */
  readonly onOutage?: OnOutage
  /** After Redis has lost what was charged: `trust` (the default), `lower` or `quarantine`. */
  readonly onDataLoss?: OnDataLoss
}

export type OpenLimiterOptions = PartPlace & {
  readonly policies: readonly LimitDescription[]
  /** Among how many processes a limit is shared during an outage, for policies with `onOutage: 'share'`. */
  readonly workers?: number | (() => number)
}

/** Everything throws, or rejects with, `NotStarted` before `start()` and after `stop()`. */
export interface OpenLimiter extends Pick<
  RateLimiter,
  'take' | 'takeAll' | 'inspect' | 'reset' | 'changed' | 'standing' | 'trust'
> {
  readonly policies: readonly LimitPolicy[]
  /** Resolves when Redis was found fit and this process is told of changes. */
  start(): Promise<void>
  stop(deadline?: Deadline): Promise<void>
}

const knownOptions = [...placeOptions, 'policies', 'workers']
const known = ['name', 'limit', 'windowMs', 'rule', 'onOutage', 'onDataLoss']
const onOutages: readonly OnOutage[] = ['closed', 'open', 'share']
const onDataLosses: readonly OnDataLoss[] = ['trust', 'lower', 'quarantine']

/** What those who build on this take beside. */
interface MoreOptions {
  readonly options: readonly string[]
  readonly ofPolicy: readonly string[]
}
const noMore: MoreOptions = { options: [], ofPolicy: [] }

/** Throws a `ConfigurationError` with everything that is wrong with the options. Connects at `start()`. */
export function openLimiter(options: OpenLimiterOptions, more: MoreOptions = noMore): OpenLimiter {
  const problems = limiterProblems(options, more)
  const { domain, together } = placePart(options, problems)
  const policies = options.policies.map(asPolicy)
  const { workers } = options
  let running: RateLimiter | null = null

  const service: Service = {
    async start() {
      const { redis, coherence, keys } = domain.use()
      running = createRateLimiter({
        redis,
        coherence,
        clock: systemClock,
        prefix: keys.limits,
        policies,
        ...(workers === undefined ? {} : { workers: typeof workers === 'number' ? () => workers : workers }),
      })
      await running.start()
    },
    async stop(deadline) {
      const ended = running
      running = null
      await ended?.stop(deadline)
    },
  }
  const all = together(service)

  function use(): RateLimiter {
    if (running === null) throw new NotStarted(domain.name, 'the limits')
    return running
  }

  return {
    policies,
    start: all.start,
    stop: (deadline = deadlineIn(closingMs)) => all.stop(deadline),
    take: (policy, key, cost) => use().take(policy, key, cost),
    takeAll: (claims) => use().takeAll(claims),
    inspect: async (policy, key) => use().inspect(policy, key),
    reset: async (policy, key) => use().reset(policy, key),
    changed: async (policy, key) => use().changed(policy, key),
    standing: async () => use().standing(),
    trust: async () => use().trust(),
  }
}

const closingMs = 5_000

function limiterProblems(options: OpenLimiterOptions, more: MoreOptions): string[] {
  const { policies, workers } = options
  const problems = unknownOptions(options, [...knownOptions, ...more.options])
  if (!Array.isArray(policies) || policies.length === 0) {
    return [
      ...problems,
      "policies is missing: a list such as [{ name: 'api', limit: 100, windowMs: 60_000 }]",
    ]
  }
  const names = new Set<unknown>()
  for (const [index, policy] of (policies as readonly LimitDescription[]).entries()) {
    const label = policy?.name === undefined ? `policies[${index}]` : `policies.${String(policy.name)}`
    problems.push(
      ...policyProblems(policy ?? {}, [...known, ...more.ofPolicy]).map((each) => `${label}: ${each}`),
    )
    if (policy?.name !== undefined && names.has(policy.name))
      problems.push(`${label}: two policies have this name`)
    names.add(policy?.name)
    if (policy?.onOutage === 'share' && workers === undefined) {
      problems.push(
        `${label}: onOutage 'share' needs the option workers, among how many processes it is shared`,
      )
    }
  }
  if (typeof workers === 'number' && !(Number.isInteger(workers) && workers >= 1)) {
    problems.push(`workers is ${workers}: it is a whole number from 1, or a function`)
  }
  return problems
}

function policyProblems(policy: Partial<LimitDescription>, fields: readonly string[]): string[] {
  const { name, limit, windowMs, rule, onOutage = 'closed', onDataLoss = 'trust' } = policy
  const problems = unknownOptions(policy, fields)
  if (typeof name !== 'string') problems.push("name is missing, such as name: 'api'")
  else problems.push(...saidBy(() => checkPolicyName(name)))
  if (rule !== undefined && (limit !== undefined || windowMs !== undefined)) {
    problems.push('rule is given, and limit or windowMs too')
  } else if (rule === undefined && (limit === undefined || windowMs === undefined)) {
    problems.push('limit and windowMs are needed, such as limit: 100, windowMs: 60_000')
  } else if (typeof rule !== 'function') {
    problems.push(...saidBy(() => termsOf(rule ?? { limit: limit as number, windowMs: windowMs as number })))
  }
  if (!onOutages.includes(onOutage)) problems.push(`onOutage is one of ${onOutages.join(', ')}`)
  if (!onDataLosses.includes(onDataLoss)) problems.push(`onDataLoss is one of ${onDataLosses.join(', ')}`)
  return problems
}

function asPolicy(description: LimitDescription): LimitPolicy {
  const { name, limit = 0, windowMs = 0, rule = { limit, windowMs } } = description
  const { onOutage = 'closed', onDataLoss = 'trust' } = description
  return { name, rule, onOutage, onDataLoss }
}
