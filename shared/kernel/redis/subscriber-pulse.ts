import type { Redis } from 'ioredis'

/**
 * A subscriber is quiet for long, so a peer that vanished without a word looks like one that has nothing to say. It
 * is asked every so often; one that does not answer within its bound is given up and made again, which is an event
 * that those who listen see.
 */
export function keepPulse(subscriber: Redis, everyMs: number): void {
  async function check(): Promise<void> {
    // While it is connecting, the bound on that decides; to disconnect then would end a client of Sentinel for good.
    if (subscriber.status !== 'ready' && subscriber.status !== 'connect') return
    try {
      await subscriber.ping()
    } catch (cause) {
      // A Redis that may not write refuses PING too, and lives.
      if (cause instanceof Error && cause.name === 'ReplyError') return
      if (subscriber.status === 'ready' || subscriber.status === 'connect') subscriber.disconnect(true)
    }
  }

  const timer = setInterval(() => void check(), everyMs)
  timer.unref()
  subscriber.on('end', () => clearInterval(timer))
  subscriber.on('connecting', () => timer.refresh())
}
