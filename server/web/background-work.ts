import type { Logger } from '../../shared/log.ts'
import { remaining, type Deadline, type Service } from '../../shared/lifecycle.ts'

/** Work that goes on after its request was answered: bounded, and finished before the worker ends. */
export interface BackgroundWork extends Service {
  /** No room for more: the request should be refused instead. */
  readonly full: boolean
  /** Begins a piece of work. A failure is logged under `name`. */
  run(name: string, work: () => Promise<void>): void
}

export function createBackgroundWork({ limit, log }: { limit: number; log: Logger }): BackgroundWork {
  const running = new Set<Promise<void>>()

  return {
    get full() {
      return running.size >= limit
    },
    run(name, work) {
      const piece: Promise<void> = work()
        .catch((err: unknown) => log.error({ err, work: name }, 'background work failed'))
        .finally(() => running.delete(piece))
      running.add(piece)
    },
    async start() {},
    async stop(deadline: Deadline) {
      let patience: NodeJS.Timeout | undefined
      const outOfTime = new Promise<void>((resolve) => {
        patience = setTimeout(resolve, remaining(deadline))
      })
      await Promise.race([Promise.all(running), outOfTime])
      clearTimeout(patience)
    },
  }
}
