/** Numbers as people read them, in their language. */

export function count(locale: string, value: number): string {
  return value.toLocaleString(locale, { maximumFractionDigits: value < 10 ? 1 : 0 })
}

export function megabytes(locale: string, bytes: number): string {
  return `${count(locale, Math.round(bytes / 2 ** 20))} MB`
}

export function milliseconds(locale: string, ms: number): string {
  return ms >= 10_000 ? age(ms) : `${count(locale, ms)} ms`
}

/** The two largest units: `3 d 4 h`, `12 min 5 s`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const
  const first = parts.findIndex(([amount]) => amount > 0)
  const from = first < 0 ? parts.length - 1 : first
  return parts
    .slice(from, from + 2)
    .filter(([amount], index) => amount > 0 || index === 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ')
}
