/** Readings: what was measured, in the form in which it travels from a worker to its primary and is added up there. */
import { catalogue, type HistogramName, type MetricName } from './catalogue.ts'

export type Labels = Readonly<Record<string, string>>

/** One series of a counter or gauge. Counters count from the start of the process. */
export interface NumberReading {
  readonly metric: MetricName
  readonly labels: Labels
  readonly value: number
}

/** One series of a histogram. */
export interface HistogramReading {
  readonly metric: HistogramName
  readonly labels: Labels
  /** Observations in each bucket alone; the last is what exceeded every bound. */
  readonly counts: readonly number[]
  readonly sum: number
}

export type Reading = NumberReading | HistogramReading

export function reading(metric: MetricName, value: number, labels: Labels = {}): NumberReading {
  return { metric, labels, value }
}

/** The series as it is written in Prometheus: its identity. */
export function seriesOf({ metric, labels }: Pick<Reading, 'metric' | 'labels'>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? metric : `${metric}{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))
}

export interface Histogram {
  /** In the unit of the bounds. */
  observe(value: number): void
  read(labels?: Labels): HistogramReading
}

/** Counts observations into the buckets of the catalogue; one costs a few comparisons and no memory. */
export function createHistogram(metric: HistogramName): Histogram {
  const { buckets } = catalogue[metric]
  const counts = Array.from({ length: buckets.length + 1 }, () => 0)
  let sum = 0
  return {
    observe(value) {
      let bucket = 0
      while (bucket < buckets.length && value > buckets[bucket]!) bucket += 1
      counts[bucket]! += 1
      sum += value
    },
    read: (labels = {}) => ({ metric, labels, counts: [...counts], sum }),
  }
}

/** Null when it is none: it comes from another process, which may run another version of us during a reload. */
export function parseReading(value: unknown): Reading | null {
  if (typeof value !== 'object' || value === null) return null
  const { metric, labels, value: number, counts, sum } = value as Record<string, unknown>
  if (typeof metric !== 'string' || !Object.hasOwn(catalogue, metric) || !areLabels(labels)) return null
  const description = catalogue[metric as MetricName]
  if (description.type !== 'histogram') {
    return typeof number === 'number' ? { metric: metric as MetricName, labels, value: number } : null
  }
  if (!Array.isArray(counts) || counts.length !== description.buckets.length + 1) return null
  if (typeof sum !== 'number' || !counts.every((count) => typeof count === 'number')) return null
  return { metric: metric as HistogramName, labels, counts, sum }
}

function areLabels(value: unknown): value is Labels {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((label) => typeof label === 'string')
  )
}
