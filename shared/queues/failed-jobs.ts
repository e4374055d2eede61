/** Jobs that have failed for good: looking through them, and doing them again. */
import type { Job as BullJob, Queue } from 'bullmq'
import { checkPayload } from './payload.ts'
import type { AnyJob } from './job.ts'
import { parseStoredJob, type StoredJob } from './stored-job.ts'

/** Which of them. Everything that is said must hold. */
export interface FailedFilter {
  /** A text in the reason; letter case does not count. */
  readonly reason?: string | undefined
  /** Milliseconds since 1970. */
  readonly failedAfter?: number | undefined
  readonly failedBefore?: number | undefined
  /** How many at most, the latest first. Default 100. */
  readonly limit?: number | undefined
}

export interface FailedJob {
  readonly id: string
  readonly name: string
  readonly reason: string
  readonly attempts: number
  readonly failedAt: Date | null
  readonly by: string | null
  readonly schedule: string | null
}

export interface Retried {
  readonly retried: number
  /** Not done again: their payload is none that the job takes, or another process was quicker. */
  readonly skipped: number
}

/** How many are looked at in one go, so that Redis is not held for long. */
const page = 200
const defaultLimit = 100

export async function listFailed(queue: Queue, filter: FailedFilter = {}): Promise<FailedJob[]> {
  return (await matching(queue, filter)).map((job) => ({
    id: job.id as string,
    name: queue.name,
    reason: job.failedReason ?? '',
    attempts: job.attemptsMade,
    failedAt: job.finishedOn === undefined ? null : new Date(job.finishedOn),
    by: storedOf(job).by ?? null,
    schedule: storedOf(job).schedule ?? null,
  }))
}

/** From its first attempt, with its payload as it was asked for. */
export async function retryFailed(queue: Queue, job: AnyJob, filter: FailedFilter = {}): Promise<Retried> {
  let retried = 0
  const found = await matching(queue, filter)
  for (const each of found) {
    if (!isFit(job, each)) continue
    await each.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true }).then(
      () => (retried += 1),
      // It is no more among the failed.
      () => {},
    )
  }
  return { retried, skipped: found.length - retried }
}

async function matching(queue: Queue, filter: FailedFilter): Promise<BullJob[]> {
  const { reason = '', failedAfter = 0, failedBefore = Infinity, limit = defaultLimit } = filter
  const wanted = reason.toLowerCase()
  const found: BullJob[] = []
  for (let start = 0; found.length < limit; start += page) {
    const jobs = await queue.getJobs(['failed'], start, start + page - 1)
    for (const job of jobs) {
      const { finishedOn = 0, failedReason = '' } = job
      if (finishedOn < failedAfter || finishedOn > failedBefore) continue
      if (failedReason.toLowerCase().includes(wanted) && found.length < limit) found.push(job)
    }
    if (jobs.length < page) break
  }
  return found
}

function isFit(job: AnyJob, bull: BullJob): boolean {
  try {
    const { payload, cancelled } = parseStoredJob(bull.data)
    checkPayload(job, payload)
    return cancelled === undefined
  } catch {
    return false
  }
}

function storedOf({ data }: BullJob): StoredJob {
  try {
    return parseStoredJob(data)
  } catch {
    return {}
  }
}
