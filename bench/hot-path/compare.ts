/**
 * What a contender costs beside another one: each sample stands between two of the yardstick and is compared with those,
 * so that what else the machine does meanwhile falls on both; rounds take turns in both orders.
 */
import type { LoadGenerator } from '../support/load.ts'
import { median, quantile } from '../support/statistics.ts'
import type { Contender } from './contenders.ts'

interface Sample {
  readonly cpuMicros: number
  readonly requestsPerSecond: number
}

export interface Comparison extends Sample {
  /** The CPU of the yardstick, just before and after, divided by this. */
  readonly efficiency: number
}

export interface CompareOptions {
  /** By name, one of the contenders. */
  readonly yardstick: string
  readonly rounds: number
  readonly forMs: number
  readonly connections: number
}

export async function compare(
  all: readonly Contender[],
  load: LoadGenerator,
  options: CompareOptions,
): Promise<Map<string, Comparison[]>> {
  const bare = all.find(({ name }) => name === options.yardstick)!
  const compared = new Map(all.map(({ name }) => [name, [] as Comparison[]]))
  const take = (contender: Contender, warmUpMs?: number) => sample(contender, load, options, warmUpMs)
  for (const contender of all) await take(contender, 3_000)
  for (let round = 0; round < options.rounds; round += 1) {
    let before = await take(bare)
    for (const contender of round % 2 === 0 ? all : [...all].reverse()) {
      const own = await take(contender)
      const after = await take(bare)
      const efficiency = (before.cpuMicros + after.cpuMicros) / 2 / own.cpuMicros
      compared.get(contender.name)?.push({ ...own, efficiency })
      before = after
    }
    process.stderr.write('.')
  }
  return compared
}

async function sample(
  { port, request, pids }: Contender,
  load: LoadGenerator,
  { forMs, connections }: CompareOptions,
  warmUpMs = 100,
): Promise<Sample> {
  const measured = await load.run({ port, request, pids, connections, warmUpMs, forMs })
  const { requests, elapsedMs, cpuMs } = measured
  return { cpuMicros: (cpuMs * 1_000) / requests, requestsPerSecond: (requests * 1_000) / elapsedMs }
}

/** All figures, and what is shown of them. */
export function comparisonTable(compared: ReadonlyMap<string, readonly Comparison[]>) {
  const figures = [...compared].map(([name, rounds]) => {
    const ratios = rounds.map(({ efficiency }) => efficiency)
    return {
      name,
      cpuMicrosPerRequest: median(rounds.map(({ cpuMicros }) => cpuMicros)),
      requestsPerSecond: median(rounds.map(({ requestsPerSecond }) => requestsPerSecond)),
      efficiency: median(ratios),
      efficiencyQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
      rounds,
    }
  })
  const table = {
    columns: ['', 'CPU us/request', 'requests/s', 'efficiency', 'middle half'],
    rows: figures.map(({ name, cpuMicrosPerRequest, requestsPerSecond, efficiency, efficiencyQuartiles }) => [
      name,
      cpuMicrosPerRequest.toFixed(1),
      Math.round(requestsPerSecond),
      efficiency.toFixed(3),
      efficiencyQuartiles.map((ratio) => ratio.toFixed(3)).join(' to '),
    ]),
  }
  return { figures, table }
}
