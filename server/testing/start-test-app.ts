/**
 * An application under test: real workers over a private Redis and a database of its own, in the process of the test, so
 * that breakpoints work and the services of the application can be looked at. What is kept for production (forks,
 * signals, reloads) is tested by `lockstep start`.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pino } from 'pino'
import { configure } from '../../shared/app/app-env.ts'
import type { App } from '../../shared/app/app.ts'
import { openCoherence } from '../../shared/coherence/index.ts'
import { openDeployment } from '../../shared/deployment/open-deployment.ts'
import { ConfigurationError } from '../../shared/kernel/errors.ts'
import { deadlineIn, type Service } from '../../shared/kernel/lifecycle.ts'
import { openRedis, redisService } from '../../shared/kernel/redis/connections.ts'
import { openLimits } from '../../shared/limits/open-limits.ts'
import { createQueues } from '../../shared/queues/queues.ts'
import { createSessions } from '../../shared/sessions/index.ts'
import { createJobWorker } from '../../workers/worker.ts'
import { createWebWorker } from '../web/worker.ts'
import { startPrivateRedis } from './private-redis.ts'
import { untilIdle } from './run-jobs.ts'
import { send, type TestAnswer, type TestRequest } from './send.ts'
import { signInNewUser, type SignInOptions, type TestUser } from './sign-in.ts'
import { watchForLeaks } from './watch-for-leaks.ts'

export interface TestAppOptions {
  /** Web workers, two when left out: what is true on one may not be on another. */
  readonly workers?: number
  /** Job workers that do jobs as they come. None when left out: then jobs are done by `runJobs`, and not before. */
  readonly jobWorkers?: number
  /** The application's variables and ours. Nothing is taken from the environment of the test but where Redis is. */
  readonly env?: Readonly<Record<string, string>>
}

export interface TestApp {
  /** `http://127.0.0.1:PORT` of each worker. */
  readonly urls: readonly string[]
  /** Asks the workers in turn. */
  request(method: string, path: string, options?: TestRequest): Promise<TestAnswer>
  /** The same request to each worker, one after the other. */
  onEveryWorker(method: string, path: string, options?: TestRequest): Promise<TestAnswer[]>
  /** Signs a new user in. */
  signIn(options?: SignInOptions): Promise<TestUser>
  /** Does the jobs that wait, and those that they enqueue. Nothing is done in between, so that tests are in control. */
  runJobs(): Promise<void>
  /** What was mailed so far, as it would have been sent. */
  mails(): Promise<string[]>
  /** Every line of the log so far. */
  log(): string
  /** Redis neither answers nor ends until `thawRedis`. */
  freezeRedis(): void
  thawRedis(): void
  /** Stops everything. Rejects when the application left something open. */
  stop(): Promise<void>
}

/** Starts the application. Throws a `ConfigurationError` with everything that is wrong with it. */
export async function startTestApp(app: App, options: TestAppOptions = {}): Promise<TestApp> {
  const { problems } = app['~lockstep']
  if (problems.length > 0) throw new ConfigurationError([...problems])
  const leaks = watchForLeaks()
  const directory = await mkdtemp(join(tmpdir(), 'lockstep-test-'))
  const redisServer = await startPrivateRedis({
    directory,
    cacheDirectory: resolve('node_modules', '.cache', 'lockstep', 'redis-bin'),
    // oxlint-disable-next-line node/no-process-env -- a test has no entry that could hand it in
    binary: process.env['REDIS_SERVER_BIN'],
    // oxlint-disable-next-line node/no-process-env -- as above
    searchPath: process.env['PATH'] ?? '',
  })
  const running: Service[] = []
  async function stop(): Promise<void> {
    const deadline = deadlineIn(5_000)
    for (const service of running.splice(0).reverse()) await service.stop(deadline)
    await redisServer.stop()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    return await run(app, options, { directory, redisServer, running, stop: () => stop().then(leaks.check) })
  } catch (cause) {
    await stop()
    throw cause
  }
}

interface Surroundings {
  readonly directory: string
  readonly redisServer: Awaited<ReturnType<typeof startPrivateRedis>>
  /** What is started, in order. */
  readonly running: Service[]
  stop(): Promise<void>
}

async function run(
  app: App,
  { workers = 2, jobWorkers = 0, env: given = {} }: TestAppOptions,
  { directory, redisServer, running, stop }: Surroundings,
): Promise<TestApp> {
  const { config, env } = configure(app, {
    NODE_ENV: 'test',
    WORKERS: String(workers),
    DATA_DIR: directory,
    REDIS_URL: redisServer.url,
    SESSION_DURABILITY: 'keep',
    PORT: '0',
    ...given,
  })
  if (config.redis.kind === 'embedded') throw new TypeError('the test brings its Redis')
  const lines: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) })
  const { keys } = await openDeployment(config, config.redis)
  const common = { app, env, config, keys, log }

  const redis = openRedis(config.redis, 'commands', { name: 'test' })
  const coherence = openCoherence({
    redis,
    domain: keys.sessions,
    durability: 'keep',
    leaseMs: config.sessions.leaseMs,
  })
  // A key of its own at once: no one else could have one.
  const sessions = createSessions({
    ...config.sessions,
    tokenKey: randomBytes(32).toString('base64url'),
    cache: 'redis',
    redis,
    coherence,
  })
  const limits = openLimits({ redis, coherence, limits: config.limits, policies: [], prefix: keys.limits })
  const queues = createQueues({ redis, prefix: keys.queues, jobs: [...(app.jobs ?? [])] })
  await start(redisService(redis))
  // A new installation, with nothing that could have been lost.
  await limits.limiter.found()
  await limits.guard.found()
  await start(queues)

  let broken: unknown = null
  const web = Array.from({ length: workers }, (_, index) =>
    createWebWorker({ ...common, slot: index + 1, onFatal: (cause) => (broken = cause) }),
  )
  for (const worker of web) await start(worker)
  for (let slot = 1; slot <= jobWorkers; slot += 1) await start(createJobWorker({ ...common, slot }))
  const urls = web.map(({ port }) => `http://127.0.0.1:${port}`)
  let turn = 0

  async function start(service: Service): Promise<void> {
    running.push(service)
    await service.start()
  }

  return {
    urls,
    request: (method, path, request) => send(urls[turn++ % urls.length] as string, method, path, request),
    async onEveryWorker(method, path, request) {
      const answers: TestAnswer[] = []
      for (const url of urls) answers.push(await send(url, method, path, request))
      return answers
    },
    signIn: (who = {}) => signInNewUser({ app, config, sessions, url: urls[0] as string }, who),
    async runJobs() {
      if (jobWorkers > 0) return untilIdle(queues)
      const worker = createJobWorker({ ...common, slot: 1 })
      await worker.start()
      try {
        await untilIdle(queues)
      } finally {
        await worker.stop(deadlineIn(5_000))
      }
    },
    mails: () => readMails(join(directory, 'mail')),
    log: () => lines.join(''),
    freezeRedis: redisServer.freeze,
    thawRedis: redisServer.thaw,
    async stop() {
      await stop()
      if (broken !== null) throw new Error('a worker broke while it was tested', { cause: broken })
    },
  }
}

async function readMails(directory: string): Promise<string[]> {
  const files = await readdir(directory).catch(() => [])
  return Promise.all(files.sort().map((file) => readFile(join(directory, file), 'utf8')))
}
