import type { Redis } from 'ioredis'
import { Unavailable } from '../kernel/errors.ts'
import { loadScript, runScript } from '../kernel/redis/script.ts'
import { checkChannel, writeEvent, type RoomEvent, type Target } from './room-event.ts'
import { roomKeys } from './room-keys.ts'

export interface BroadcastOptions {
  /** Keep it, so that those who come back are told. For channels only. */
  readonly replay?: boolean
}

/**
 * Tells a room. A text names a channel, or is the data of an event. Resolves when Redis has taken it; throws
 * `Unavailable` when Redis can't be asked, and `TypeError` for what is no channel.
 */
export type Broadcast = (
  target: Target | string,
  event: RoomEvent | string,
  options?: BroadcastOptions,
) => Promise<void>

export interface BroadcastSettings {
  readonly redis: Redis
  readonly prefix?: string
  /** How many events of a channel are kept, and how long. */
  readonly keep?: { readonly events: number; readonly ms: number }
}

const script = loadScript(new URL('./lua/', import.meta.url), 'broadcast')
const usualKeep = { events: 1_000, ms: 24 * 3_600_000 }

export function createBroadcast({ redis, prefix, keep = usualKeep }: BroadcastSettings): Broadcast {
  const keys = roomKeys(prefix)

  function tellPeople(who: string, text: string): Promise<unknown> {
    return redis.publish(keys.people, JSON.stringify([who, text]))
  }

  function tellChannel(name: string, text: string, replay: boolean): Promise<unknown> {
    if (!replay) return redis.publish(keys.room(name), JSON.stringify([null, text]))
    return runScript(redis, script, [keys.log(name)], [keys.room(name), text, keep.events, keep.ms])
  }

  return async (target, event, { replay = false } = {}) => {
    const text = writeEvent(typeof event === 'string' ? { data: event } : event)
    const to = typeof target === 'string' ? { channel: target } : target
    if ('channel' in to) checkChannel(to.channel)
    else if (replay) throw new TypeError('only the events of a channel can be kept')
    try {
      if ('channel' in to) await tellChannel(to.channel, text, replay)
      else await tellPeople('user' in to ? `user:${to.user}` : `session:${to.session}`, text)
    } catch (cause) {
      throw new Unavailable('redis', { cause })
    }
  }
}
