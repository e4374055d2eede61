type Series = readonly (readonly (number | null)[])[]

/** Of several series the sum at each moment; null where none is known. */
export function summed(series: Series): (number | null)[] {
  return aligned(series, (one, other) => one + other)
}

/** Of several series the greatest at each moment. */
export function slowest(series: Series): (number | null)[] {
  return aligned(series, (one, other) => Math.max(one, other))
}

/** By their newest points, since those of a new worker began later. */
function aligned(series: Series, merge: (one: number, other: number) => number): (number | null)[] {
  const length = Math.max(0, ...series.map((points) => points.length))
  return Array.from({ length }, (_, index) => {
    const points = series
      .map((each) => each[each.length - length + index] ?? null)
      .filter((point) => point !== null)
    return points.length === 0 ? null : points.reduce(merge)
  })
}
