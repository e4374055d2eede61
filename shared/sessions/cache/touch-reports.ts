import type { Clock } from '../../kernel/clock.ts'
import type { Service } from '../../kernel/lifecycle.ts'
import type { SessionMemory } from './session-memory.ts'

export interface TouchReportOptions {
  readonly memory: SessionMemory
  /** Milliseconds left of each session, 0 for one that is gone. */
  touch(hashes: readonly string[]): Promise<number[]>
  readonly clock: Clock
  readonly everyMs: number
}

const batchSize = 200

/**
 * Reports the use of sessions that are served from memory, in batches, so that a session in use does not go idle in
 * Redis. A report that fails is made again at the next use.
 */
export function reportTouches({ memory, touch, clock, everyMs }: TouchReportOptions): Service {
  let timer: NodeJS.Timeout | undefined
  let reporting: Promise<void> | null = null

  async function report(): Promise<void> {
    for (;;) {
      const due = memory.takeDueTouches(batchSize)
      if (due.length === 0) return
      const asked = { askedAt: clock.mono(), askedAtWall: clock.wall() }
      try {
        const left = await touch(due.map(({ hash }) => hash))
        due.forEach((touched, i) => touched.done(asked, left[i] ?? 0))
      } catch {
        for (const touched of due) touched.failed()
        return
      }
    }
  }

  function tick(): void {
    reporting ??= report().finally(() => (reporting = null))
  }

  return {
    async start() {
      timer = setInterval(tick, everyMs)
    },
    async stop() {
      clearInterval(timer)
      tick()
      await reporting
    },
  }
}
