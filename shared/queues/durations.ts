/** Upper bounds of the buckets, in milliseconds. */
export const durationBuckets: readonly number[] = [10, 50, 100, 500, 1_000, 5_000, 10_000, 60_000, 600_000]

/** A histogram, in the shape that Prometheus wants. */
export interface Durations {
  readonly completed: number
  readonly failed: number
  /** Jobs that will not be tried again, of those. */
  readonly failedForGood: number
  readonly sumMs: number
  /** How many attempts took no longer than the bound with the same index. */
  readonly atMost: readonly number[]
}

/** Counts how long attempts took, by job. Goes back to zero with the process. */
export function createDurations() {
  const byJob = new Map<
    string,
    { completed: number; failed: number; failedForGood: number; sumMs: number; atMost: number[] }
  >()
  return {
    add(job: string, outcome: 'completed' | 'failed', ms: number, forGood = false): void {
      const counts = byJob.get(job) ?? {
        completed: 0,
        failed: 0,
        failedForGood: 0,
        sumMs: 0,
        atMost: durationBuckets.map(() => 0),
      }
      byJob.set(job, counts)
      counts[outcome] += 1
      if (forGood) counts.failedForGood += 1
      counts.sumMs += ms
      durationBuckets.forEach((bound, index) => {
        if (ms <= bound) counts.atMost[index] = (counts.atMost[index] ?? 0) + 1
      })
    },
    read(): Record<string, Durations> {
      return Object.fromEntries(
        [...byJob].map(([job, counts]) => [job, { ...counts, atMost: [...counts.atMost] }]),
      )
    },
  }
}
