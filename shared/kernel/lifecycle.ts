/** A moment on this process' monotonic clock (`performance.now()`), in milliseconds. Computed once, passed down. */
export type Deadline = number

/** Something with a beginning and an end: a server, a pool of connections, a loop. */
export interface Service {
  /** Resolves when ready for use. When it rejects, whatever had been started is undone. */
  start(): Promise<void>
  /**
   * Resolves when fully stopped, at the deadline at the latest. Safe twice, before `start`, and during it: `start`
   * then ends soon, either way.
   */
  stop(deadline: Deadline): Promise<void>
}

/** The deadline that lies `ms` milliseconds ahead. */
export function deadlineIn(ms: number): Deadline {
  return performance.now() + ms
}

/** Milliseconds left until the deadline, never below zero. */
export function remaining(deadline: Deadline): number {
  return Math.max(0, deadline - performance.now())
}

/** The way in which something starts that was told to stop meanwhile. */
export class StoppedWhileStarting extends Error {
  constructor() {
    super('stopped while it was starting')
    this.name = 'StoppedWhileStarting'
  }
}

/** Services that are started one by one as their predecessors make them possible, and stopped in reverse. */
export interface ServiceStack {
  /** Starts the service, puts it on top and returns it. Rejects once the stack is being stopped. */
  start<T extends Service>(service: T): Promise<T>
  /**
   * Stops everything, the service that is starting included. Goes on past one that fails to stop, and rejects at
   * the end with everything that went wrong. A second call with an earlier deadline hurries the first.
   */
  stop(deadline: Deadline): Promise<void>
}

export function createServiceStack(): ServiceStack {
  const services: Service[] = []
  let stopped = false

  function drop(service: Service): void {
    const index = services.indexOf(service)
    if (index >= 0) services.splice(index, 1)
  }

  return {
    async start(service) {
      if (stopped) throw new StoppedWhileStarting()
      services.push(service)
      try {
        await service.start()
      } catch (cause) {
        drop(service)
        throw cause
      }
      if (!stopped) return service
      // It became ready although it had been told to stop.
      await service.stop(deadlineIn(undoMs))
      throw new StoppedWhileStarting()
    },

    async stop(deadline) {
      stopped = true
      const failures: unknown[] = []
      for (let service = services.at(-1); service; service = services.at(-1)) {
        await service.stop(deadline).catch((failure: unknown) => failures.push(failure))
        drop(service)
      }
      if (failures.length > 0) throw new AggregateError(failures, 'some services did not stop cleanly')
    },
  }
}

/** How long undoing a start may take: nothing was in use yet. */
const undoMs = 5_000

/**
 * Several services as one: started in order, stopped in reverse.
 *
 * A start that fails stops what had started before it and rejects with the cause. It can be started again after
 * a stop.
 */
export function group(services: readonly Service[]): Service {
  let stack = createServiceStack()

  return {
    async start() {
      const own = (stack = createServiceStack())
      try {
        for (const service of services) await own.start(service)
      } catch (cause) {
        await own.stop(deadlineIn(undoMs)).catch(() => {})
        throw cause
      }
    },
    stop: (deadline) => stack.stop(deadline),
  }
}
