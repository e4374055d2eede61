/**
 * The metrics of many processes as one set. What a process counted stays counted when it is gone: a counter that fell
 * at each death would show as a reset, and its rate as nonsense. A process that does not answer keeps its last
 * readings.
 */
import { catalogue } from './catalogue.ts'
import { seriesOf, type Reading } from './reading.ts'

export interface MetricsLedger {
  /** Replaces what is known of this process. */
  update(source: object, readings: readonly Reading[]): void
  /** The process is gone: its counts are kept, its gauges are not. */
  retire(source: object): void
  /** All of them, added up by series. Of a gauge that several processes report, the one that was told last counts. */
  read(): Reading[]
}

export function createMetricsLedger(): MetricsLedger {
  const living = new Map<object, readonly Reading[]>()
  let kept = new Map<string, Reading>()

  return {
    update(source, readings) {
      // Whoever was heard last comes last.
      living.delete(source)
      living.set(source, readings)
    },
    retire(source) {
      const counted = (living.get(source) ?? []).filter(({ metric }) => catalogue[metric].type !== 'gauge')
      living.delete(source)
      kept = addUp([kept.values(), counted])
    },
    read: () => [...addUp([kept.values(), ...living.values()]).values()],
  }
}

function addUp(sets: Iterable<Iterable<Reading>>): Map<string, Reading> {
  const sums = new Map<string, Reading>()
  for (const set of sets) {
    for (const one of set) {
      const series = seriesOf(one)
      const before = sums.get(series)
      sums.set(series, before === undefined ? one : sumOf(before, one))
    }
  }
  return sums
}

function sumOf(before: Reading, after: Reading): Reading {
  if (catalogue[after.metric].type === 'gauge') return after
  if ('counts' in before && 'counts' in after) {
    const counts = after.counts.map((count, index) => count + (before.counts[index] ?? 0))
    return { ...after, counts, sum: before.sum + after.sum }
  }
  if ('value' in before && 'value' in after) return { ...after, value: before.value + after.value }
  return after
}
