/** The text format in which Prometheus reads metrics, version 0.0.4. */
import { catalogue, type MetricName } from './catalogue.ts'
import { seriesOf, type HistogramReading, type Reading } from './reading.ts'

export const expositionContentType = 'text/plain; version=0.0.4; charset=utf-8'

export function exposition(readings: Iterable<Reading>): string {
  const byMetric = new Map<MetricName, string[]>()
  for (const one of readings) {
    const lines = byMetric.get(one.metric) ?? []
    byMetric.set(one.metric, lines)
    if ('counts' in one) lines.push(...histogramLines(one))
    else lines.push(`${seriesOf(one)} ${one.value}`)
  }
  const names = (Object.keys(catalogue) as MetricName[]).filter((name) => byMetric.has(name))
  return names.map((name) => `${heading(name)}${byMetric.get(name)?.join('\n')}\n`).join('')
}

function heading(name: MetricName): string {
  const { help, type } = catalogue[name]
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
}

function histogramLines({ metric, labels, counts, sum }: HistogramReading): string[] {
  const bounds = [...catalogue[metric].buckets.map(String), '+Inf']
  let total = 0
  const buckets = bounds.map((le, index) => {
    total += counts[index] ?? 0
    return `${part('_bucket', { ...labels, le })} ${total}`
  })
  return [...buckets, `${part('_sum', labels)} ${sum}`, `${part('_count', labels)} ${total}`]

  function part(suffix: string, its: Readonly<Record<string, string>>): string {
    return metric + suffix + seriesOf({ metric, labels: its }).slice(metric.length)
  }
}
