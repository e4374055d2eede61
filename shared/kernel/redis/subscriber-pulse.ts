import type { Redis } from 'ioredis'

/** Emitted by a subscriber that was given up because it did not answer; it is made again. */
export const silentEvent = 'silent'

/**
 * A subscriber is quiet for long, so a peer that vanished without a word looks like one that has nothing to say. It
 * is asked every so often; one that does not answer within its bound is given up and made again, which is an event
 * that those who listen see.
 */
export function keepPulse(subscriber: Redis, everyMs: number): void {
  async function check(): Promise<void> {
    // While it is connecting, the bound on that decides; to disconnect then would end a client of Sentinel for good.
    if (!isConnected(subscriber)) return
    try {
      await hearFrom(subscriber)
    } catch {
      if (!isConnected(subscriber)) return
      subscriber.emit(silentEvent)
      subscriber.disconnect(true)
    }
  }

  const timer = setInterval(() => void check(), everyMs)
  timer.unref()
  subscriber.on('end', () => clearInterval(timer))
  subscriber.on('connecting', () => timer.refresh())
}

/**
 * Resolves when the server has answered on this connection, and with that all that was sent before. A refusal is an
 * answer: a Redis that may not write at the moment refuses PING too, and lives.
 */
export async function hearFrom(client: Redis): Promise<void> {
  try {
    await client.ping()
  } catch (cause) {
    if (!(cause instanceof Error && cause.name === 'ReplyError')) throw cause
  }
}

/** Connected, if not ready: a peer that vanished before it greeted us would be waited for without end. */
function isConnected({ status }: Redis): boolean {
  return status === 'ready' || status === 'connect'
}
