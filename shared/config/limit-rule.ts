import type { LimitRule } from '../config.ts'
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
