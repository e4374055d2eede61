/**
 * The jobs and schedules of an application with a server of its own:
 *
 * ```ts
 * const queues = openQueues({ name: 'shop', redis: url, jobs: [invoice], schedules: [nightly] })
 * await queues.start()
 * await queues.enqueue(invoice, { order: '7' })   // in any process: the id of a job that Redis has taken
 * await queues.workers().start()                  // in those that do the work
 * ```
 */
import type { Redis } from 'ioredis'
import { deploymentKeys, spaceNamed } from '../deployment/deployment-keys.ts'
import { applicationName } from '../domain/application-name.ts'
import { claimName } from '../domain/claim-name.ts'
import { redisSource, type GivenRedis, type RedisSource } from '../domain/given-redis.ts'
import { nameProblems, saidBy, unknownOptions } from '../domain/option-problems.ts'
import { requireOptions } from '../domain/part-place.ts'
import { askRedis, redisProblems } from '../domain/redis-facts.ts'
import { options as optionWords } from '../domain/wording.ts'
import { ConfigurationError, NotStarted } from '../kernel/errors.ts'
import { deadlineIn, group, type Deadline, type Service } from '../kernel/lifecycle.ts'
import { redisService } from '../kernel/redis/connections.ts'
import type { RedisIdentity } from '../kernel/redis/target.ts'
import { createLogger } from '../telemetry/log.ts'
import { enqueueById, type EnqueueById } from './enqueue-by-id.ts'
import { createJobWorkers, type JobFailure } from './job-workers.ts'
import { jobsByName, type AnyJob, type Log } from './job.ts'
import { createQueues, type Queues } from './queues.ts'
import { createScheduleControl, type ScheduleControl } from './schedule-control.ts'
import { createScheduleRegistry, schedulesByName } from './schedule-registry.ts'
import { createScheduleViews, type ScheduleViews } from './schedule-views.ts'
import type { Schedule } from './schedule.ts'
import { createTickWorker } from './tick-worker.ts'

export interface OpenQueuesOptions<Services> {
  /** Names everything that is kept in Redis, the same in every process of the application. */
  readonly name: string
  /** A URL, a function that makes a new ioredis client at each call, or a client, which is duplicated. */
  readonly redis: GivenRedis
  /** Which application uses the name; the name in its package.json unless it is given. `null`: no one checks. */
  readonly app?: string | null
  /** `connection` where a service lets no script call INFO. */
  readonly redisIdentity?: RedisIdentity
  /** Every job that is asked for or done here. */
  readonly jobs: readonly AnyJob<Services>[]
  /** Brought into force by the processes that have `workers`. */
  readonly schedules?: readonly Schedule[]
  /** The longest that a call may take, whatever state Redis is in; 2000. */
  readonly timeoutMs?: number
}

export type JobWorkersSettings<Services> = (unknown extends Services
  ? { readonly services?: Services }
  : {
      /** What handlers work with: their second argument. */
      readonly services: Services
    }) & {
  /** A pino logger, or one like it. Default: JSON on standard output, lines for people on a terminal. */
  readonly log?: Log
  /** What this process is called, no two alike (`joinCluster().name`), so that others take its jobs over when it dies. */
  readonly worker?: string | null
  /** Which release of the schedules this is: grows with each. Default: when this process started. */
  readonly release?: number
  /** Called for each job that has failed for good. */
  readonly onFailed?: (failure: JobFailure) => unknown
}

/** The work of one process. It is given back to the others at a stop, with no attempt used. */
export interface OwnJobWorkers {
  /** Resolves when the schedules are in force and every queue is taken from. */
  start(): Promise<void>
  /** Running jobs have until the deadline (default: 30 s); then their signal is aborted, and others go on. */
  stop(deadline?: Deadline): Promise<void>
  /** A process of this name (`worker`) has certainly died: its jobs are done again at once. */
  takeOver(worker: string): Promise<void>
}

/** Everything throws, or rejects with, `NotStarted` before `start()` and after `stop()`. */
export interface OpenQueues<Services = unknown>
  extends
    EnqueueById,
    Pick<Queues, 'enqueueFlow' | 'find' | 'cancel' | 'failed' | 'retryFailed' | 'measure'> {
  /** The schedules that are in force, and what people may do to them. */
  readonly schedules: ScheduleViews & ScheduleControl
  /** What does the jobs in this process. Several processes share the work. */
  workers(
    ...settings: unknown extends Services ? [JobWorkersSettings<Services>?] : [JobWorkersSettings<Services>]
  ): OwnJobWorkers
  /** For the dashboard. */
  use(): Queues
  start(): Promise<void>
  stop(deadline?: Deadline): Promise<void>
}

interface Opened {
  readonly redis: Redis
  readonly queues: Queues
  readonly schedules: ScheduleViews & ScheduleControl
}

const closingMs = 5_000
const jobGraceMs = 30_000
/** How long Redis may take to answer for the first time. */
const patienceMs = 5_000

/** Throws a `ConfigurationError` with everything that is wrong with the options. Connects at `start()`. */
export function openQueues<Services = unknown>(options: OpenQueuesOptions<Services>): OpenQueues<Services> {
  requireOptions(options, 'openQueues')
  const { name, jobs, schedules = [], redisIdentity = 'script' } = options
  const problems = queueProblems(options)
  const source = redisSource(options.redis, redisIdentity)
  if (typeof source === 'string') problems.push(source)
  if (problems.length > 0 || typeof source === 'string') throw new ConfigurationError(problems)
  const from = source
  const prefix = deploymentKeys(spaceNamed(name)).queues
  let running: Opened | null = null
  let all: Service | null = null

  async function start(): Promise<void> {
    const redis = from.open('commands', `${name}-queues`)
    const queues = createQueues({
      redis,
      prefix,
      jobs: jobs as readonly AnyJob[],
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    })
    const app = options.app === undefined ? applicationName() : options.app
    all = group([fit(redis, from, { name, app }), queues])
    await all.start()
    const views = createScheduleViews({ redis, prefix })
    running = { redis, queues, schedules: { ...views, ...createScheduleControl({ redis, queues, prefix }) } }
  }

  function use(): Opened {
    if (running === null) throw new NotStarted(name, 'the queues')
    return running
  }

  function workers(settings: Partial<JobWorkersSettings<Services>> = {}): OwnJobWorkers {
    const { worker, release, onFailed, services } = settings as JobWorkersSettings<Services> & {
      services?: Services
    }
    const log: Log =
      settings.log ?? createLogger({ level: 'info', pretty: process.stdout.isTTY, process: 'jobs' })
    let work: { readonly all: Service; takeOver(dead: string): Promise<void> } | null = null
    return {
      async start() {
        const { redis, queues } = use()
        const connect = () => from.open('blocking', `${name}-jobs`)
        const consuming = { connect, prefix, redis, queues, log, worker: worker ?? undefined }
        const registry = createScheduleRegistry({
          ...consuming,
          schedules,
          ...(release === undefined ? {} : { release }),
        })
        const doing = createJobWorkers<Services>({
          ...consuming,
          jobs,
          services: services as Services,
          ...(onFailed ? { onFailed } : {}),
        })
        const ticks = createTickWorker(consuming)
        work = {
          all: group([registry, doing, ticks]),
          takeOver: async (dead) => void (await Promise.all([doing.takeOver(dead), ticks.takeOver(dead)])),
        }
        await work.all.start()
      },
      async stop(deadline = deadlineIn(jobGraceMs)) {
        await work?.all.stop(deadline)
      },
      takeOver: async (dead) => work?.takeOver(dead),
    }
  }

  return {
    start,
    async stop(deadline = deadlineIn(closingMs)) {
      running = null
      await all?.stop(deadline)
    },
    use: () => use().queues,
    workers: (...[settings]) => workers(settings),
    ...enqueueById(() => use().queues),
    enqueueFlow: async (asked) => use().queues.enqueueFlow(asked),
    find: async (job, id) => use().queues.find(job, id),
    cancel: async (job, id, reason) => use().queues.cancel(job, id, reason),
    failed: async (job, filter) => use().queues.failed(job, filter),
    retryFailed: async (job, filter) => use().queues.retryFailed(job, filter),
    measure: async () => use().queues.measure(),
    schedules: {
      list: async () => use().schedules.list(),
      pause: async (schedule) => use().schedules.pause(schedule),
      resume: async (schedule) => use().schedules.resume(schedule),
      runNow: async (schedule) => use().schedules.runNow(schedule),
    },
  }
}

/** The connection, to a Redis that loses no jobs and under a name that is private to it. */
function fit(
  redis: Redis,
  source: RedisSource,
  { name, app }: { name: string; app: string | null },
): Service {
  let lastError: Error | null = null
  redis.on('error', (cause: Error) => (lastError = cause))
  const connection = redisService(redis)
  return {
    async start() {
      try {
        const { place } = source
        const facts = await askRedis(redis, {
          place,
          lastError: () => lastError,
          patienceMs,
          wording: optionWords,
        })
        const found = redisProblems(facts, place, optionWords)
        if (found.length > 0) throw new ConfigurationError(found)
        await claimName(redis, name, app)
      } catch (cause) {
        redis.disconnect()
        throw cause
      }
    },
    stop: connection.stop,
  }
}

const known = ['name', 'redis', 'app', 'redisIdentity', 'jobs', 'schedules', 'timeoutMs']

function queueProblems<Services>(options: OpenQueuesOptions<Services>): string[] {
  const { jobs, schedules = [], timeoutMs } = options
  const problems = [...unknownOptions(options, known), ...nameProblems(options)]
  if (timeoutMs !== undefined && !(timeoutMs >= 100))
    problems.push(`timeoutMs is ${timeoutMs}: it is 100 or more`)
  if (!Array.isArray(jobs) || jobs.some((job: Partial<AnyJob> | null) => typeof job?.work !== 'object')) {
    return [...problems, 'jobs is missing: a list of what defineJob gave']
  }
  problems.push(...saidBy(() => jobsByName(jobs)))
  if (
    !Array.isArray(schedules) ||
    schedules.some((one: Partial<Schedule> | null) => one?.definition === undefined)
  ) {
    return [...problems, 'schedules is a list of what defineSchedule gave']
  }
  problems.push(...saidBy(() => schedulesByName(schedules)))
  for (const { definition } of schedules) {
    if (jobs.some((job) => job.name === definition.job)) continue
    problems.push(`the schedule ${definition.name} is of the job ${definition.job}, which is not in jobs`)
  }
  return problems
}
