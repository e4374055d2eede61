/** Reads the text that Prometheus would read. */
import { send } from './http.ts'

export interface Scrape {
  readonly text: string
  /** The value of the one series with this name and these labels; null when there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | null
  /** The sum of all such series. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
  /** Every name of a series, with `_bucket`, `_sum` and `_count`. */
  readonly names: ReadonlySet<string>
}

interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Throws at the first line that is not in the format. */
export function parseScrape(text: string): Scrape {
  const lines = text.split('\n').filter((line) => line !== '' && !/^# (HELP|TYPE) \w+ /.test(line))
  const all = lines.map(parseLine)

  function matching(name: string, labels: Readonly<Record<string, string>>): Series[] {
    return all.filter(
      (one) =>
        one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
    )
  }

  return {
    text,
    names: new Set(all.map(({ name }) => name)),
    value(name, labels = {}) {
      const found = matching(name, labels)
      if (found.length > 1) throw new Error(`${name} ${JSON.stringify(labels)} is more than one series`)
      return found[0]?.value ?? null
    },
    sum: (name, labels = {}) => matching(name, labels).reduce((sum, { value }) => sum + value, 0),
  }
}

function parseLine(line: string): Series {
  const [, name = '', inner = '', value = ''] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  const pairs = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)",?/g)]
  if (name === '' || Number.isNaN(Number(value)) || pairs.map(([all]) => all).join('') !== inner) {
    throw new Error(`not a line that Prometheus reads: ${line}`)
  }
  return {
    name,
    labels: Object.fromEntries(pairs.map(([, label, text]) => [label, text])),
    value: Number(value),
  }
}

export async function scrape(port: number): Promise<Scrape> {
  const answer = await send(`http://127.0.0.1:${port}/metrics`)
  if (answer.status !== 200) throw new Error(`the scrape answered ${answer.status}`)
  return parseScrape(answer.body)
}
