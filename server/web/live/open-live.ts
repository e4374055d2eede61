import type { Redis } from 'ioredis'
import type { Coherence } from '../../../shared/coherence/index.ts'
import { openRooms } from '../../../shared/live/rooms.ts'
import { createSessionWatch, type SessionWatch } from '../../../shared/live/session-watch.ts'
import type { Sessions } from '../../../shared/sessions/index.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import type { ConnectionBounds } from './connections.ts'
import { createLive, type Live } from './live.ts'
import { watchRequests } from './request-work.ts'
import type { RequestWork } from '../../../shared/app/context.ts'

export interface OpenLiveOptions {
  readonly redis: Redis
  /** A connection for the pub/sub of rooms alone. */
  readonly subscriber: Redis
  readonly prefix: string
  readonly coherence: Coherence
  readonly sessions: Pick<Sessions, 'peek'>
  readonly log: Logger
  readonly bounds?: Partial<ConnectionBounds>
}

export interface OpenedLive extends Live, Pick<SessionWatch, 'invalidated'> {
  readonly work: RequestWork
}

/** Everything that is live on one worker. `invalidated` is for the sessions (`onInvalidated`). */
export function openLive(options: OpenLiveOptions): OpenedLive {
  const { redis, subscriber, prefix, coherence, sessions, log, bounds } = options
  const watch = createSessionWatch({ sessions, coherence })
  const rooms = openRooms({ redis, subscriber, prefix })
  const live = createLive({ watch, rooms, log, ...(bounds ? { bounds } : {}) })
  const work = watchRequests(watch)
  return {
    ...live,
    invalidated: watch.invalidated,
    work,
    async stop(deadline) {
      await work.stop(deadline)
      await live.stop(deadline)
    },
  }
}
