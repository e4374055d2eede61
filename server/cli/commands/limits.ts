import { termsOf, usableShare, type LimitPolicy } from '../../../shared/limits/policy.ts'
import type { RecordStanding } from '../../../shared/limits/scripts.ts'
import { listed } from '../../../shared/config/grammar.ts'
import { formatLimitRule } from '../../../shared/config/limit-rule.ts'
import { CommandFailed, UsageError, type Command, type CommandCall } from '../command.ts'
import { table } from '../output.ts'
import { readArguments } from '../read-arguments.ts'
import type { Stores } from '../stores.ts'

export const limits: Command = {
  name: 'limits',
  usages: ['limits', 'limits show POLICY KEY', 'limits reset POLICY KEY', 'limits trust'],
  summary:
    'Shows the limits and what Redis has lost of them, what stands against a user or an address (user:ID, ip:ADDRESS, ' +
    'an e-mail address for login-account), forgets it, or takes for granted that nothing was lost.',
  async run(call) {
    const [action = '', ...args] = call.args
    if (!isAction(action)) {
      throw new UsageError(`say what to do: ${listed(Object.keys(actions).filter(Boolean))}`)
    }
    // It takes many modules, which mistakes need not wait for.
    const { withStores } = await import('../stores.ts')
    const names = action === 'show' || action === 'reset' ? ['POLICY', 'KEY'] : []
    const { positionals } = readArguments(args, {}, { required: names })
    const [policy = '', key = ''] = positionals
    await withStores(call.config(), (stores) => actions[action](call, stores, { policy, key }), call)
  },
}

interface Subject {
  readonly policy: string
  readonly key: string
}

const actions = { '': overview, show, reset, trust }

function isAction(text: string): text is keyof typeof actions {
  return Object.hasOwn(actions, text)
}

async function overview({ output }: CommandCall, stores: Stores): Promise<void> {
  const settings = await stores.settings()
  const { limiter, guard } = await stores.limits()
  const signIn = await guard.standing()
  const askedAt = performance.now()
  const others = await limiter.standing()
  const tripMs = performance.now() - askedAt
  const { limitLoginIp, limitLoginAccount } = settings.current().values
  const policies = [
    ...limiter.policies().map(({ name, rule, onDataLoss }) => ({
      policy: name,
      limit: typeof rule === 'function' ? 'by key' : formatLimitRule(rule),
      onDataLoss,
      usable: usable(rule, tripMs),
    })),
    { policy: 'login-ip', limit: limitLoginIp, onDataLoss: 'lower', usable: '' },
    { policy: 'login-account', limit: limitLoginAccount, onDataLoss: 'lower', usable: '' },
  ]
  const rows = policies.map(({ policy, limit, onDataLoss, usable }) => [policy, limit, onDataLoss, usable])
  const text = [
    table(['POLICY', 'LIMIT', 'AFTER A LOSS', 'USABLE'], rows),
    '',
    `sign-in: ${describe(signIn)}`,
    `other limits: ${describe(others)}`,
  ]
  output.result({ policies, signIn, others }, text.join('\n'))
}

/** What can be used of it under a lasting flood, this far from Redis. */
function usable(rule: LimitPolicy['rule'], tripMs: number): string {
  const terms = typeof rule === 'function' ? null : termsOf(rule)
  return terms === null ? '' : `${Math.floor(100 * usableShare(terms, tripMs))} %`
}

function describe({ exists, losses, recoveringMs }: RecordStanding): string {
  if (!exists) return 'nothing has been counted yet, or all of it was lost: the next request finds out'
  if (recoveringMs === 0) return 'nothing was lost that matters'
  const times = losses === 1 ? 'once' : `${losses} times`
  return (
    `Redis has lost what was counted ${times}, which matters for ${Math.ceil(recoveringMs / 1_000)} s more. ` +
    'lockstep limits trust ends that.'
  )
}

async function show({ output }: CommandCall, stores: Stores, { policy, key }: Subject): Promise<void> {
  const { standingOf } = await import('../../web/features/limits/standing.ts')
  const found = await standingOf(await stores.limits(), policy, key)
  if (found === null) throw unknownPolicy(policy)
  const { limit, charged, retryAfterMs } = found
  const wait = retryAfterMs > 0 ? `; admitted again in ${Math.ceil(retryAfterMs / 1_000)} s` : ''
  const text = limit === null ? 'not limited' : `${charged} of ${limit} used${wait}`
  output.result({ ...found }, `${policy} ${found.key}: ${text}`)
}

async function reset({ output }: CommandCall, stores: Stores, { policy, key }: Subject): Promise<void> {
  const { liftLimit } = await import('../../web/features/limits/standing.ts')
  const lifted = await liftLimit(await stores.limits(), policy, key)
  if (lifted === null) throw unknownPolicy(policy)
  await stores.note('limit-reset', policy, { policy })
  output.result({ policy, key: lifted }, `forgot what ${lifted} has used of ${policy}, on every worker`)
}

async function trust({ output }: CommandCall, stores: Stores): Promise<void> {
  const { limiter, guard } = await stores.limits()
  const changed = [await guard.trust(), await limiter.trust()].includes(true)
  if (changed) await stores.note('limits-trusted', 'limits')
  output.result(
    { changed },
    changed ? 'the limits are what they are configured to be' : 'nothing was lost that matters',
  )
}

function unknownPolicy(policy: string): CommandFailed {
  return new CommandFailed(
    `there is no limit ${JSON.stringify(policy)}: lockstep limits shows them`,
    'no-such-limit',
  )
}
