import { durationBuckets, type Durations } from '../../queues/durations.ts'
import type { Queues } from '../../queues/queues.ts'
import { reading, type HistogramReading, type Reading } from './reading.ts'

export interface QueueMeter {
  /**
   * The attempts of this process, and the queues as they were when this was last called: to ask Redis takes longer
   * than anyone who reads may wait. The queues are the same for every process; whoever was heard last is right.
   */
  read(): Reading[]
}

export interface MeasuredQueues {
  readonly queues: Pick<Queues, 'measure'>
  durations(): Record<string, Durations>
}

export function createQueueMeter({ queues, durations }: MeasuredQueues): QueueMeter {
  let depths: Reading[] = []
  let measuring: Promise<void> | null = null

  async function measure(): Promise<void> {
    try {
      depths = depthReadings(await queues.measure())
    } catch {
      // While Redis can't be asked no depth is better than an old one.
      depths = []
    }
  }

  return {
    read() {
      measuring ??= measure().finally(() => (measuring = null))
      return [...depths, ...Object.entries(durations()).flatMap(attemptReadings)]
    },
  }
}

function depthReadings(measured: Awaited<ReturnType<Queues['measure']>>): Reading[] {
  return Object.entries(measured).flatMap(([queue, { oldestWaitingMs, ...states }]) => [
    ...Object.entries(states).map(([state, jobs]) => reading('lockstep_queue_jobs', jobs, { queue, state })),
    reading('lockstep_queue_oldest_waiting_seconds', oldestWaitingMs / 1e3, { queue }),
  ])
}

function attemptReadings([job, { completed, failed, failedForGood, sumMs, atMost }]: [
  string,
  Durations,
]): Reading[] {
  const cumulative = [...durationBuckets.map((_, index) => atMost[index] ?? 0), completed + failed]
  const duration: HistogramReading = {
    metric: 'lockstep_job_duration_seconds',
    labels: { job },
    counts: cumulative.map((count, index) => count - (cumulative[index - 1] ?? 0)),
    sum: sumMs / 1e3,
  }
  return [
    reading('lockstep_job_attempts_total', completed, { job, outcome: 'completed' }),
    reading('lockstep_job_attempts_total', failed, { job, outcome: 'failed' }),
    reading('lockstep_job_failures_total', failedForGood, { job }),
    duration,
  ]
}
