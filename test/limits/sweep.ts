/** One admission, at a moment of a clock that all processes of the machine share. */
export interface Admitted {
  readonly key: string
  readonly atMs: number
  readonly cost: number
}

/** The most that was admitted in any window (t - W, t]. */
export function mostInAnyWindow(admissions: readonly Admitted[], windowMs: number): number {
  const ordered = admissions.toSorted((a, b) => a.atMs - b.atMs)
  let most = 0
  let inWindow = 0
  let oldest = 0
  for (const { atMs, cost } of ordered) {
    inWindow += cost
    for (let first = ordered[oldest]; first && first.atMs <= atMs - windowMs; first = ordered[oldest]) {
      inWindow -= first.cost
      oldest += 1
    }
    most = Math.max(most, inWindow)
  }
  return most
}

/** The most for each key. */
export function mostByKey(admissions: readonly Admitted[], windowMs: number): Map<string, number> {
  const byKey = new Map<string, Admitted[]>()
  for (const admission of admissions) {
    const own = byKey.get(admission.key)
    if (own) own.push(admission)
    else byKey.set(admission.key, [admission])
  }
  return new Map([...byKey].map(([key, own]) => [key, mostInAnyWindow(own, windowMs)]))
}
