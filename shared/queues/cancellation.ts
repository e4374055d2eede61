/**
 * Cancelling jobs. A job that was cancelled keeps the reason with its data, so anyone who takes it up later fails it
 * without doing it. The workers that are at it are told by pub/sub; one that misses the message goes on with this
 * attempt, and no other follows.
 */
import { UnrecoverableError, type Job as BullJob, type Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { parseStoredJob, type StoredJob } from './stored-job.ts'

/** `{lockstep}:cancelled`: the channel on which workers hear of it, as JSON: `{"queue":"invoice","id":"7"}`. */
export function cancellationChannel(prefix: string): string {
  return `${prefix}:cancelled`
}

/**
 *  - `cancelled`: it had not begun, and will not.
 *  - `stopping`: it is running, and its worker was told to stop it.
 *  - `finished`: it was done, or had failed, before.
 *  - `unknown`: there is no such job (any more).
 */
export type Cancellation = 'cancelled' | 'stopping' | 'finished' | 'unknown'

/** How the attempt at a job ends that was cancelled: it is not tried again, and nothing is wrong with it. */
export class Cancelled extends UnrecoverableError {}

export function cancelledText(reason: string): string {
  return `cancelled: ${reason}`
}

export interface CancelledJob {
  readonly queue: string
  readonly id: string
}

export function parseCancelledJob(text: string): CancelledJob | null {
  try {
    const { queue, id } = JSON.parse(text) as Partial<CancelledJob>
    return typeof queue === 'string' && typeof id === 'string' ? { queue, id } : null
  } catch {
    return null
  }
}

export async function cancelJob(
  { redis, queue, prefix }: { redis: Redis; queue: Queue; prefix: string },
  id: string,
  reason: string,
): Promise<Cancellation> {
  const job = (await queue.getJob(id)) as BullJob<StoredJob> | undefined
  const state = job ? await job.getState() : 'unknown'
  if (!job || state === 'unknown') return 'unknown'
  if (state === 'completed' || state === 'failed') return 'finished'
  await job.updateData({ ...readable(job.data), cancelled: reason })
  // One that waits for its time would be shown as waiting until then. It may have begun meanwhile.
  if (state === 'delayed') await job.promote().catch(() => {})
  await redis.publish(
    cancellationChannel(prefix),
    JSON.stringify({ queue: queue.name, id } satisfies CancelledJob),
  )
  const now = await job.getState()
  if (now === 'completed') return 'finished'
  return state === 'active' || now === 'active' ? 'stopping' : 'cancelled'
}

function readable(data: unknown): StoredJob {
  try {
    return parseStoredJob(data)
  } catch {
    return {}
  }
}
