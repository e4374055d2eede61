/** `lockstep/queues`: jobs and schedules of an application. What this part lets others use. */
export { DedupeConflict } from './dedupe.ts'
export { flow, type Flow } from './flow.ts'
export type { JobFailure } from './job-workers.ts'
export {
  defineJob,
  sibling,
  type Backoff,
  type Handler,
  type Job,
  type JobDescription,
  type JobRun,
  type Log,
} from './job.ts'
export {
  openQueues,
  type JobWorkersSettings,
  type OpenQueues,
  type OpenQueuesOptions,
  type OwnJobWorkers,
} from './open-queues.ts'
export { InvalidPayload } from './payload.ts'
export type { EnqueueOptions, JobRequest, JobView, QueueNumbers } from './queues.ts'
export type { ScheduleView } from './schedule-views.ts'
export { defineSchedule, type Schedule } from './schedule.ts'
export type { GivenRedis, RedisClient } from '../domain/given-redis.ts'
export { ConfigurationError, NotStarted, Unavailable } from '../kernel/errors.ts'
export { deadlineIn } from '../kernel/lifecycle.ts'
export { z } from 'zod'
