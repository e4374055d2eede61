/**
 * Limits that lock people out for long are set by mistake more often than on purpose: they need a word more. What an
 * administrator needs to take them back is charged to a limit that no setting changes (shared/limits/open-limits.ts).
 */
import type { LimitRule } from '../../../../shared/config/config.ts'
import { limitRule } from '../../../../shared/config/limit-rule.ts'
import type { RuntimeSettings } from '../../../../shared/settings/runtime-settings.ts'

type LimitSetting = 'limitApi' | 'limitLoginIp' | 'limitLoginAccount'

/** By their names over HTTP and on the command line. */
export const limitSettings: Readonly<Record<LimitSetting, string>> = {
  limitApi: 'limits.api',
  limitLoginIp: 'limits.loginIp',
  limitLoginAccount: 'limits.loginAccount',
}

const minuteMs = 60_000
const dayMs = 86_400_000

/** Why each of these limits needs to be confirmed, by the name of its setting. */
export function needConfirmation(changes: {
  readonly [Name in LimitSetting]?: RuntimeSettings[Name] | null | undefined
}): { readonly field: string; readonly message: string }[] {
  return (Object.keys(limitSettings) as LimitSetting[]).flatMap((name) => {
    const text = changes[name]
    const rule = text === undefined || text === null ? 'off' : limitRule.parse(text)
    const why = isRule(rule) ? tooTight(name, rule) : null
    return why === null ? [] : [{ field: limitSettings[name], message: why }]
  })
}

function tooTight(name: LimitSetting, rule: Exclude<LimitRule, 'off'>): string | null {
  const { limit, windowMs } = rule
  if (name === 'limitApi') {
    return limit * minuteMs < windowMs ? 'admits less than one request a minute in the long run' : null
  }
  if (limit < 3) return 'locks out users who mistype a password once or twice'
  return windowMs > dayMs ? 'locks out for more than a day' : null
}

function isRule(rule: unknown): rule is Exclude<LimitRule, 'off'> {
  return typeof rule === 'object' && rule !== null && 'windowMs' in rule
}
