/**
 * What a benchmark must show: `npm run bench:NAME -- --check` fails when it shows the opposite.
 *
 * One round is noise, so a goal is held against the median of the rounds with its 95 % confidence interval, from the ranks
 * of the rounds (a binomial count of those below the median; no assumption on how they are spread). Only an interval that
 * lies wholly on the wrong side is a failure; one that reaches over the goal is said to show nothing, which more rounds or a
 * quieter machine change.
 *
 * The interval: Conover, Practical Nonparametric Statistics, 3rd edition, section 3.2.
 */
import { median } from './statistics.ts'

export interface Goal {
  readonly what: string
  /** One figure a round. */
  readonly measured: readonly number[]
  readonly atLeast?: number
  readonly atMost?: number
}

export type Verdict = 'met' | 'not shown' | 'missed'

export interface Judged {
  readonly goal: Goal
  readonly median: number
  readonly interval: readonly [number, number]
  readonly verdict: Verdict
}

export function judge(goal: Goal): Judged {
  const interval = medianInterval(goal.measured)
  const [low, high] = interval
  const { atLeast = -Infinity, atMost = Infinity } = goal
  const missed = high < atLeast || low > atMost
  const met = low >= atLeast && high <= atMost
  return {
    goal,
    median: median(goal.measured),
    interval,
    verdict: missed ? 'missed' : met ? 'met' : 'not shown',
  }
}

/** Prints each goal; with `--check` among the arguments a missed one makes the exit code 1. */
export function checkGoals(goals: readonly Goal[], args: readonly string[] = process.argv): void {
  const judged = goals.map(judge)
  process.stdout.write(`\n${judged.map(line).join('\n')}\n`)
  if (args.includes('--check') && judged.some(({ verdict }) => verdict === 'missed')) process.exitCode = 1
}

function line({ goal, median: middle, interval: [low, high], verdict }: Judged): string {
  const bound = goal.atLeast === undefined ? `at most ${goal.atMost}` : `at least ${goal.atLeast}`
  const between = `${middle.toPrecision(3)} (${low.toPrecision(3)} to ${high.toPrecision(3)})`
  return `${verdict.padEnd(9)}  ${goal.what}: ${between}, goal ${bound}`
}

/** Where the median lies with 95 % confidence; of fewer than six rounds: from the least to the greatest. */
export function medianInterval(measured: readonly number[]): [number, number] {
  const sorted = measured.toSorted((a, b) => a - b)
  const count = sorted.length
  let below = 0
  let probability = 0.5 ** count
  let sum = probability
  // The largest number of rounds that can be left out at each end with a risk of 2.5 %.
  while (sum <= 0.025 && below < count / 2 - 1) {
    below += 1
    probability *= (count - below + 1) / below
    sum += probability
  }
  const left = sum > 0.025 ? Math.max(0, below - 1) : below
  return [sorted[left] ?? NaN, sorted[count - 1 - left] ?? NaN]
}
