/**
 * What each action of bull-board means for the job that it is done to, and so who may do it. An action that is not
 * listed here is refused: a new version of bull-board must not bring a way around the rules.
 */
import { mayEnqueue, type AnyJob } from '../../job.ts'
import { problem, type Problem } from '../../../app/problem.ts'

/**
 *  - `write`: what will be worked on, or when: as if the job was asked for, so by its rule of who may ask.
 *  - `repeat`: what was asked for is done again, as it was: by the same rule, and for jobs of the code by operators.
 *  - `run`: takes nothing in; it stops, goes on, or removes.
 *  - `never`: goes around what the code declares.
 */
const kinds: Readonly<Record<string, 'write' | 'repeat' | 'run' | 'never'>> = {
  '/api/queues/:queueName/add': 'write',
  '/api/queues/:queueName/:jobId/update-data': 'write',
  '/api/queues/:queueName/:jobId/delay': 'write',
  '/api/queues/:queueName/:jobId/priority': 'write',
  '/api/queues/:queueName/:jobId/retry': 'repeat',
  '/api/queues/:queueName/retry/:queueStatus': 'repeat',
  '/api/queues/:queueName/:jobId/promote': 'run',
  '/api/queues/:queueName/promote': 'run',
  '/api/queues/:queueName/:jobId/clean': 'run',
  '/api/queues/:queueName/clean/:queueStatus': 'run',
  '/api/queues/:queueName/:jobId/remove-unprocessed-children': 'run',
  '/api/queues/:queueName/empty': 'run',
  '/api/queues/:queueName/obliterate': 'run',
  '/api/queues/:queueName/pause': 'run',
  '/api/queues/:queueName/resume': 'run',
  '/api/queues/pause': 'run',
  '/api/queues/resume': 'run',
  '/api/queues/:queueName/concurrency': 'run',
  '/api/queues/:queueName/rate-limit': 'run',
  '/api/queues/:queueName/rate-limit/release': 'run',
  '/api/metrics/history/purge': 'run',
  '/api/queues/:queueName/job-schedulers/:schedulerId': 'never',
  '/api/queues/:queueName/job-schedulers/:schedulerId/remove': 'never',
  '/api/queues/:queueName/job-schedulers/:schedulerId/run': 'never',
}

/** Why someone with these roles may not do this to the queue of the job; null when they may. */
export function objectionTo(
  route: string,
  job: AnyJob | undefined,
  roles: readonly string[],
): Problem | null {
  const kind = kinds[route]
  if (kind === undefined) return problem('forbidden', 'the dashboard has no rule for this action')
  // The queue of ticks, or none: bull-board refuses those itself.
  if (job === undefined || kind === 'run') return null
  if (kind === 'never') return problem('forbidden', 'schedules are declared in the code')
  if (mayEnqueue(job, roles)) return null
  if (job.enqueue !== 'nobody') return problem('forbidden', `your roles do not allow the job ${job.name}`)
  if (kind === 'repeat') return null
  return problem(
    'forbidden',
    `only the code asks for the job ${job.name}: here it can be retried and removed`,
  )
}
