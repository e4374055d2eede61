/** The services that an application makes once a process, and the parts that its handlers get. */
import type { JobFailure } from '../queues/job-workers.ts'
import type { WorkerRole } from '../process/assignment.ts'
import { messageOf } from '../kernel/errors.ts'
import { remaining, type Deadline, type Service } from '../kernel/lifecycle.ts'
import type { Logger } from '../telemetry/log.ts'
import type { App } from './app.ts'
import type { Hooks, SignEvent } from './feature.ts'
import type { Parts } from './parts.ts'
import type { RegisteredFeatures } from './register-features.ts'

export interface ApplicationOptions {
  readonly app: App
  /** As its own schema reads the environment. */
  readonly env: object
  readonly role: WorkerRole
  readonly lockstep: Omit<Parts, 'services'>
  /** How long `services` may take. */
  readonly withinMs?: number
}

export interface OpenApplication extends Service {
  /** `services` is there once it has started. */
  readonly parts: Parts
}

/** Below the time in which a worker has to be ready: the reason is told instead of a kill. */
const servicesWithinMs = 25_000

export function openApplication(options: ApplicationOptions): OpenApplication {
  const { app, env, role, lockstep, withinMs = servicesWithinMs } = options
  const { log } = lockstep
  const parts: Parts & { services: object } = { ...lockstep, services: {} }

  return {
    parts,
    async start() {
      const call = { env, log, role, lockstep } as never
      const made = await within(withinMs, `services of ${app.name} did not resolve`, async () =>
        app.services?.(call),
      )
      if (made !== undefined && (typeof made !== 'object' || made === null)) {
        throw new TypeError(`services of ${app.name} must give an object`)
      }
      parts.services = made ?? {}
    },
    async stop(deadline) {
      const services = Object.entries(parts.services).reverse()
      parts.services = {}
      for (const [name, service] of services) {
        if (!canStop(service)) continue
        await stopOne(service, deadline).catch((err: unknown) => {
          log.error({ err, service: name }, 'a service of the application did not stop cleanly')
        })
      }
    },
  }
}

interface Stoppable {
  stop(deadline: Deadline): unknown
}

function canStop(service: unknown): service is Stoppable {
  return typeof (service as Partial<Stoppable> | null | undefined)?.stop === 'function'
}

/** One that does not end is left at the deadline: others must stop too. */
async function stopOne(service: Stoppable, deadline: Deadline): Promise<void> {
  await within(remaining(deadline), 'it did not stop', async () => service.stop(deadline))
}

async function within<T>(ms: number, what: string, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${Math.round(ms)} ms`)), ms)
  })
  try {
    return await Promise.race([work(), patience])
  } finally {
    clearTimeout(timer)
  }
}

export interface RunningHooks {
  /** `start` and `stop`. */
  readonly life: Service
  /** `ready`. */
  readonly ready: Service
  /** Calls a hook behind the request that it is about: it neither delays nor fails the answer. */
  signed(hook: 'signedIn' | 'signedOut', event: SignEvent): void
  jobFailed(failure: JobFailure): void
}

/** The hooks of all features, at their moments. What one throws refuses the start, and is logged after it. */
export function runHooks(features: Pick<RegisteredFeatures, 'each'>, log: Logger): RunningHooks {
  const plain = (name: 'start' | 'ready' | 'stop') => features.each(name, (hook, parts) => hook(parts))
  const report = (hook: keyof Hooks) => (err: unknown) =>
    log.error({ err, hook }, `a hook failed: ${messageOf(err)}`)
  let begun = false

  return {
    life: {
      async start() {
        await plain('start')
        begun = true
      },
      async stop(deadline) {
        if (!begun) return
        begun = false
        await within(remaining(deadline), 'it did not end', () => plain('stop')).catch(report('stop'))
      },
    },
    ready: {
      async start() {
        await plain('ready').catch(report('ready'))
      },
      async stop() {},
    },
    jobFailed: (failure) =>
      void features.each('jobFailed', (hook, parts) => hook(failure, parts)).catch(report('jobFailed')),
    signed: (name, event) =>
      void features.each(name, (hook, parts) => hook(event, parts)).catch(report(name)),
  }
}
