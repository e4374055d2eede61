import { UnrecoverableError } from 'bullmq'
import type { Redis } from 'ioredis'
import { createConsumer, defaultRecovery, type Consumer, type RecoveryLimits } from './consumer.ts'
import { defaultPrefix, ticksQueue } from './keys.ts'
import { isDefinition } from './schedule-store.ts'
import { createTickServer, type TickServerOptions } from './serve-tick.ts'

export interface TickWorkerOptions extends TickServerOptions {
  /** Opens a connection for blocking commands. */
  readonly connect: () => Redis
  /** What this process is called; no two alike, also not one after the other. For `takeOver`. */
  readonly worker?: string | undefined
  readonly recovery?: Partial<RecoveryLimits>
}

/**
 * Turns the clock's ticks into jobs. Each tick is taken up by one of the processes that have this, and carries
 * its schedule with it: it can be served by a process that was built before the schedule was declared.
 */
export function createTickWorker(options: TickWorkerOptions): Consumer {
  const { connect, queues, log, prefix = defaultPrefix } = options
  const ticks = createTickServer(options)
  return createConsumer({
    queue: ticksQueue,
    queues,
    worker: options.worker,
    prefix,
    connect,
    concurrency: 10,
    // A tick's run stays to be looked at; a completed tick would only stand in the way of the same one, sent by hand.
    keepCompleted: { count: 0 },
    keepFailed: { count: 1_000, age: 7 * 24 * 60 * 60 },
    recovery: { ...defaultRecovery, ...options.recovery },
    log,
    async process({ data, opts }, _token, running) {
      try {
        const { prevMillis: tick } = opts
        if (!isDefinition(data) || tick === undefined)
          throw new UnrecoverableError('not a tick of a schedule')
        await ticks.serve(data, tick)
      } finally {
        running.end()
      }
    },
  })
}
