import type { LimitRule } from './config.ts'
import { duration, Refusal, refuse, type Grammar } from './grammar.ts'

const window = duration('1s', '7d', '1m')

/** `1000/1m`: at most 1000 in any minute. */
export const limitRule: Grammar<LimitRule> = {
  accepts: 'a count (1 to 1000000) per duration (1s to 7d), or off',
  example: '1000/1m',
  parse(text) {
    if (text === 'off') return 'off'
    const [, count = '', per = ''] = /^(\d{1,7})\/(.*)$/.exec(text) ?? []
    const limit = Number(count)
    if (count === '0' || text === '0') return refuse('off disables the limit')
    if (count === '' || limit < 1 || limit > 1_000_000) return refuse()
    const windowMs = window.parse(per)
    return windowMs instanceof Refusal ? windowMs : { limit, windowMs }
  },
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** The rule as it is written in the configuration, with the largest unit that fits. */
export function formatLimitRule(rule: LimitRule): string {
  if (rule === 'off') return rule
  const [unit, ms] = units.find(([, size]) => rule.windowMs % size === 0) ?? ['ms', 1]
  return `${rule.limit}/${rule.windowMs / ms}${unit}`
}
