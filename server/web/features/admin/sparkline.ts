import { html, type Html } from '../../../../shared/app/html.ts'

type Points = readonly (number | null)[]

const [width, height] = [120, 28]
/** Room for the line, which is drawn around its points. */
const margin = 2

/**
 * A small plot of the last minutes, the newest at the right; null while there is nothing to draw. A picture of numbers
 * that stand beside it, drawn by the server so that it is there without scripts.
 *
 * @param most how many points the width has room for
 */
export function sparkline(
  points: Points,
  { label, most = 60 }: { label: string; most?: number },
): Html | null {
  const known = points.filter((point) => point !== null)
  if (known.length < 2) return null
  const top = Math.max(...known, Number.MIN_VALUE)
  const x = (index: number) =>
    round(width - margin - ((points.length - 1 - index) * (width - 2 * margin)) / (most - 1))
  const y = (point: number) => round(height - margin - (point / top) * (height - 2 * margin))
  return html`<svg class="spark" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">
    ${runsOf(points).map(
      (run) =>
        html`<polyline points="${run.map(([index, point]) => `${x(index)},${y(point)}`).join(' ')}" />`,
    )}
  </svg>`
}

/** What is known without a gap. */
function runsOf(points: Points): [index: number, point: number][][] {
  const runs: [number, number][][] = [[]]
  points.forEach((point, index) => {
    if (point === null) runs.push([])
    else runs.at(-1)?.push([index, point])
  })
  return runs.filter((run) => run.length > 1)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
