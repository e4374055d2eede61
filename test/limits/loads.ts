/**
 * What the workers of a fleet are asked to do, all at once and on different keys: a flood, synchronized bursts, many
 * keys of which few are hot, and costs of all sizes.
 */
import { setTimeout as wait } from 'node:timers/promises'

export interface Plan {
  readonly limit: number
  readonly windowMs: number
  readonly loads: readonly Load[]
}

export type Load = 'flood' | 'bursts' | 'zipf' | 'costs'

/** Asks for one decision; records it when it is an admission. */
export type Ask = (key: string, cost: number) => void

/** Goes on until told to end. */
export async function run(load: Load, plan: Plan, ask: Ask, ended: () => boolean): Promise<void> {
  switch (load) {
    case 'flood':
      return repeat(2, ended, () => times(5, () => ask('flood', 1)))
    case 'bursts':
      return bursts(plan, ask, ended)
    case 'zipf':
      return repeat(5, ended, () => times(5, () => ask(`zipf-${zipf(40)}`, 1)))
    case 'costs':
      return repeat(5, ended, () => ask('costs', 1 + Math.floor(Math.random() ** 4 * plan.limit)))
  }
}

/**
 * All processes at the same moments, each burst larger than the limit, and lone requests in between: they begin what a
 * fixed window would be, so that two bursts fall into different fixed windows but into one that slides.
 */
async function bursts({ limit, windowMs }: Plan, ask: Ask, ended: () => boolean): Promise<void> {
  const everyMs = windowMs * 0.45
  const beatMs = everyMs / 10
  while (!ended()) {
    const now = Number(process.hrtime.bigint()) / 1e6
    const beat = Math.floor(now / beatMs) + 1
    await wait(beat * beatMs - now)
    if (!ended()) times(beat % 10 === 0 ? limit : 1, () => ask('bursts', 1))
  }
}

async function repeat(pauseMs: number, ended: () => boolean, work: () => void): Promise<void> {
  while (!ended()) {
    work()
    await wait(pauseMs)
  }
}

function times(count: number, work: () => void): void {
  for (let i = 0; i < count; i += 1) work()
}

/** 0 most often, then 1, and so on, as words in a text. */
function zipf(count: number): number {
  return Math.min(count - 1, Math.floor(count ** Math.random()) - 1)
}
