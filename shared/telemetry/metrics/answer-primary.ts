import type { Service } from '../../kernel/lifecycle.ts'
import { parseReading, type Reading } from './reading.ts'

/** The channel between a worker and its primary, as `process` is on the side of the worker. */
export interface MetricsChannel {
  on(event: 'message', listener: (message: unknown) => void): unknown
  off(event: 'message', listener: (message: unknown) => void): unknown
  /** Missing when no one forked this process. */
  send?(message: object, sent: (failure: Error | null) => void): unknown
}

/** The question of the primary. */
export const measure = { type: 'measure' } as const

/**
 * Answers the primary with the readings of this worker whenever it asks; unasked when it can be asked, and as the
 * last thing before the end. To be started first, so that it is stopped last.
 */
export function answerPrimary(channel: MetricsChannel, read: () => readonly Reading[]): Service {
  async function tell(): Promise<void> {
    const message = { type: 'measured', readings: read() }
    await new Promise<void>((resolve) => {
      if (channel.send === undefined) resolve()
      // A primary that is gone has no use for it.
      else channel.send(message, () => resolve())
    })
  }

  function answer(message: unknown): void {
    if ((message as { type?: unknown } | null)?.type === measure.type) void tell()
  }

  return {
    async start() {
      channel.on('message', answer)
      await tell()
    },
    async stop() {
      channel.off('message', answer)
      await tell()
    },
  }
}

/** What a worker told; null when this is no such message. Readings that we do not know are left out. */
export function parseMeasured(message: unknown): Reading[] | null {
  const { type, readings } = (message ?? {}) as { type?: unknown; readings?: unknown }
  if (type !== 'measured' || !Array.isArray(readings)) return null
  return readings.map(parseReading).filter((one) => one !== null)
}
