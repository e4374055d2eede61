/**
 * Limits for a Koa application, that hold over all of its processes:
 *
 * ```ts
 * const limits = koaLimits({ name: 'shop', redis: url, policies: [{ name: 'api', limit: 100, windowMs: 60_000 }] })
 * app.use(limits.middleware())
 * await limits.start()
 * ```
 */
import type Koa from 'koa'
import { asProblem, problem, problemBody, problemContentType, type Problem } from '../app/problem.ts'
import { requireOptions, type PartPlace } from '../domain/part-place.ts'
import { ConfigurationError, Unavailable } from '../kernel/errors.ts'
import { addressSubject } from './address.ts'
import { announceQuota, refusal, refusedPolicies } from './answer.ts'
import type { DenialReason, JointDecision } from './decision.ts'
import { openLimiter, type LimitDescription, type OpenLimiter } from './open-limiter.ts'
import type { Claim } from './rate-limiter.ts'

export type LimitContext = Koa.ParameterizedContext<Koa.DefaultState, Koa.DefaultContext>

/** Who is limited; `null`: this request is not. */
export type LimitKey = (ctx: LimitContext) => string | null

export interface KoaLimitDescription extends LimitDescription {
  /** Instead of the `key` of all. */
  readonly key?: LimitKey
  /** What a request costs; 1. */
  readonly cost?: (ctx: LimitContext) => number
}

/** Why a request was not let through. `unavailable`: Redis can't be asked, and the policy is `closed`. */
export interface LimitRefusal {
  readonly status: 429 | 503
  readonly reason: DenialReason | 'unavailable'
  /** Those that refused; all that were asked, when it is `unavailable`. */
  readonly policies: readonly string[]
  readonly retryAfterSeconds: number
  /** For people. */
  readonly detail: string
}

export type KoaLimitsOptions = PartPlace & {
  /** Among how many processes a limit is shared during an outage, for policies with `onOutage: 'share'`. */
  readonly workers?: number | (() => number)
  readonly policies: readonly KoaLimitDescription[]
  /** Default: the address that Koa takes for the client's (`app.proxy`), of IPv6 the network: `ip:203.0.113.7`. */
  readonly key?: LimitKey
  /**
   * Answers a refusal in the application's own way. Status, `Retry-After` and the fields of the limits are set by then.
   * Default: `application/problem+json`.
   */
  readonly onRefused?: (ctx: LimitContext, refusal: LimitRefusal) => unknown
}

export type LimitMiddleware = (ctx: LimitContext, next: () => Promise<unknown>) => Promise<unknown>

export interface KoaLimits extends OpenLimiter {
  /**
   * Charges each request to these policies, or to all of them: to every one or to none. Without waiting where this
   * process knows the answer. Throws `RangeError` for a name that is no policy.
   */
  middleware(...policies: readonly string[]): LimitMiddleware
}

/** Throws a `ConfigurationError` with everything that is wrong with the options. Connects at `start()`. */
export function koaLimits(options: KoaLimitsOptions): KoaLimits {
  requireOptions(options, 'koaLimits')
  refuseWrongCallbacks(options)
  const limiter = openLimiter(options, {
    options: ['key', 'onRefused'],
    ofPolicy: ['key', 'cost'],
  })
  const { key = addressOf, onRefused } = options

  async function refuse(
    ctx: LimitContext,
    fault: Problem,
    told: Omit<LimitRefusal, 'status' | 'retryAfterSeconds' | 'detail'>,
  ) {
    const { status, headers, message: detail } = fault
    ctx.set({ 'Cache-Control': 'no-store', ...headers })
    ctx.status = status
    if (onRefused) {
      const retryAfterSeconds = Number(headers['Retry-After'] ?? 1)
      await onRefused(ctx, { ...told, status: status as 429 | 503, retryAfterSeconds, detail })
      return
    }
    ctx.set('Content-Type', problemContentType)
    ctx.body = problemBody(fault)
  }

  function middleware(...names: readonly string[]): LimitMiddleware {
    const charged = chargedTo(options.policies, names)

    function claims(ctx: LimitContext): Claim[] {
      return charged.flatMap((policy) => {
        const subject = (policy.key ?? key)(ctx)
        if (subject === null) return []
        if (typeof subject !== 'string' || subject === '') {
          throw new TypeError(
            `the key of the limit ${policy.name} gave ${JSON.stringify(subject)}: a text, or null for no limit`,
          )
        }
        return [{ policy: policy.name, key: subject, cost: policy.cost?.(ctx) ?? 1 }]
      })
    }

    return async function limitRate(ctx, next) {
      const asked = claims(ctx)
      if (asked.length === 0) return next()
      let decision: JointDecision
      try {
        const deciding = limiter.takeAll(asked)
        decision = deciding instanceof Promise ? await deciding : deciding
      } catch (fault) {
        if (!(fault instanceof Unavailable)) throw fault
        return refuse(ctx, unavailable(fault), {
          reason: 'unavailable',
          policies: asked.map(({ policy }) => policy),
        })
      }
      if (!decision.allowed) {
        return refuse(ctx, refusal(decision), {
          reason: decision.reason,
          policies: refusedPolicies(decision),
        })
      }
      announceQuota(ctx.res, decision)
      return next()
    }
  }

  return { ...limiter, middleware }
}

function addressOf(ctx: LimitContext): string {
  return addressSubject(ctx.ip)
}

function unavailable(fault: Unavailable): Problem {
  const { headers } = asProblem(fault)
  return problem('unavailable', "the limits can't be checked right now, please try again", {
    headers,
    cause: fault,
  })
}

function chargedTo(
  policies: readonly KoaLimitDescription[],
  names: readonly string[],
): readonly KoaLimitDescription[] {
  if (names.length === 0) return policies
  return names.map((name) => {
    const found = policies.find((policy) => policy.name === name)
    if (found) return found
    throw new RangeError(
      `there is no limit ${JSON.stringify(name)}: policies has ${policies.map((policy) => policy.name).join(', ')}`,
    )
  })
}

function refuseWrongCallbacks({ key, onRefused, policies }: KoaLimitsOptions): void {
  const problems: string[] = []
  const isWrong = (value: unknown) => value !== undefined && typeof value !== 'function'
  if (isWrong(key)) problems.push('key is a function of ctx')
  if (isWrong(onRefused)) problems.push('onRefused is a function of ctx and the refusal')
  for (const policy of Array.isArray(policies) ? (policies as KoaLimitDescription[]) : []) {
    if (isWrong(policy?.key)) problems.push(`policies.${policy.name}: key is a function of ctx`)
    if (isWrong(policy?.cost)) problems.push(`policies.${policy.name}: cost is a function of ctx`)
  }
  if (problems.length > 0) throw new ConfigurationError(problems)
}
