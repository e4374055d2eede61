/** A moment on this process' monotonic clock (`performance.now()`), in milliseconds. Computed once, passed down. */
export type Deadline = number

/** Something with a beginning and an end: a server, a pool of connections, a loop. */
export interface Service {
  /** Resolves when ready for use. When it rejects, whatever had been started is undone. */
  start(): Promise<void>
  /** Resolves when fully stopped, at the deadline at the latest. Safe twice, and before `start`. */
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

/**
 * Several services as one: started in order, stopped in reverse.
 *
 * A start that fails stops what had started before it and rejects with the cause. A stop goes on past a
 * service that fails to stop, and rejects at the end with everything that went wrong.
 */
export function group(services: readonly Service[]): Service {
  let started: Service[] = []

  async function stop(deadline: Deadline): Promise<void> {
    const failures: unknown[] = []
    for (const service of started.reverse()) {
      await service.stop(deadline).catch((failure: unknown) => failures.push(failure))
    }
    started = []
    if (failures.length > 0) throw new AggregateError(failures, 'some services did not stop cleanly')
  }

  return {
    async start() {
      for (const service of services) {
        try {
          await service.start()
        } catch (cause) {
          await stop(deadlineIn(5_000)).catch(() => {})
          throw cause
        }
        started.push(service)
      }
    },
    stop,
  }
}
