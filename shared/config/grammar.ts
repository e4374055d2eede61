/**
 * How the text of one variable is read. A grammar accepts and gives the value, or refuses, if it can with a hint
 * at what was probably meant.
 */
export interface Grammar<T> {
  /** What is accepted, to follow the words "it accepts". */
  readonly accepts: string
  /** One good value. */
  readonly example: string
  /** The value must never be shown. */
  readonly secret?: boolean
  /** A variable that is set and empty counts as not set; else it is refused, as it is mostly a mistake. */
  readonly emptyIsUnset?: boolean
  parse(text: string): T | Refusal
}

export class Refusal {
  readonly hint: string | undefined

  constructor(hint?: string) {
    this.hint = hint
  }
}

export function refuse(hint?: string): Refusal {
  return new Refusal(hint)
}

export function oneOf<T extends string>(words: readonly T[]): Grammar<T> {
  return {
    accepts: listed(words),
    example: words[0] ?? '',
    parse: (text) => words.find((word) => word === text) ?? refuse(otherCase(text, words)),
  }
}

export function wholeNumber(least: number, most: number, example: number, meaning = ''): Grammar<number> {
  return {
    accepts: `a whole number from ${least} to ${most}${meaning}`,
    example: String(example),
    parse(text) {
      const value = Number(text)
      return /^\d{1,15}$/.test(text) && value >= least && value <= most ? value : refuse()
    },
  }
}

export const switchWord: Grammar<boolean> = {
  accepts: 'on, off, true, false, 1 or 0',
  example: 'on',
  parse(text) {
    if (['on', 'true', '1'].includes(text)) return true
    if (['off', 'false', '0'].includes(text)) return false
    return refuse(otherCase(text, ['on', 'off', 'true', 'false']))
  },
}

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A duration in milliseconds, from `least` to `most` (both durations in the same grammar). */
export function duration(least: string, most: string, example: string, why = ''): Grammar<number> {
  const [leastMs, mostMs] = [durationMs(least) ?? 0, durationMs(most) ?? Infinity]
  return {
    accepts: `a duration from ${least} to ${most}, with its unit (ms, s, m, h or d)${why}`,
    example,
    parse(text) {
      if (/^\d+$/.test(text)) return refuse(`a number needs its unit: ${text}s are seconds, ${text}m minutes`)
      const value = durationMs(text)
      return value !== null && value >= leastMs && value <= mostMs ? value : refuse()
    },
  }
}

function durationMs(text: string): number | null {
  const [, digits, unit] = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text) ?? []
  return digits === undefined ? null : Number(digits) * unitMs[unit as keyof typeof unitMs]
}

/** The duration in its largest whole unit: `1800000` is `30m`. */
export function shownDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms > 0 && ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`
  }
  return `${ms}ms`
}

const unitBytes = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const

/** An amount of memory in bytes, from `least` to `most` (both in the same grammar). */
export function size(least: string, most: string, example: string): Grammar<number> {
  const [leastBytes, mostBytes] = [sizeBytes(least) ?? 0, sizeBytes(most) ?? Infinity]
  return {
    accepts: `a size from ${least} to ${most}, with its unit (K, M, G or T)`,
    example,
    parse(text) {
      if (/^\d+$/.test(text)) return refuse(`a size needs its unit: ${text}M are mebibytes`)
      const value = sizeBytes(text)
      return value !== null && value >= leastBytes && value <= mostBytes ? value : refuse()
    },
  }
}

function sizeBytes(text: string): number | null {
  const [, digits, unit] = /^(\d{1,12})([KMGT])$/.exec(text) ?? []
  return digits === undefined ? null : Number(digits) * unitBytes[unit as keyof typeof unitBytes]
}

function otherCase(text: string, words: readonly string[]): string | undefined {
  const meant = words.find((word) => word === text.trim().toLowerCase())
  return meant === undefined ? undefined : `write it ${meant}`
}

/** `a`, `a or b`, `a, b or c`. */
export function listed(words: readonly string[], conjunction: 'or' | 'and' = 'or'): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`
}
