/**
 * What streams and sockets of this worker share: the watch over their sessions, the places, the deliveries and the
 * rooms. Stopped before HTTP, so that each client is told when to come back and none is cut.
 */
import type { AppContext } from '../../../shared/app/context.ts'
import type { Access } from '../../../shared/app/route.ts'
import { problem } from '../../../shared/app/problem.ts'
import type { Service } from '../../../shared/kernel/lifecycle.ts'
import { createDeliveries, type Deliveries } from '../../../shared/live/delivery.ts'
import type { Listener, Rooms } from '../../../shared/live/rooms.ts'
import type { EndReason, SessionWatch } from '../../../shared/live/session-watch.ts'
import { WorkEnded, type WorkEndReason } from '../../../shared/live/work-ended.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import { allowedBy } from './allowed-by.ts'
import { createConnections, type ConnectionBounds, type Connections, type Place } from './connections.ts'
import { ownerOf } from './owner.ts'

export interface Live extends Service {
  readonly connections: Connections
  readonly deliveries: Deliveries
  readonly rooms: Pick<Rooms, 'join' | 'joinAs'>
  readonly log: Logger
  /**
   * Takes a place for a connection that the request opens, and watches over it. Throws when there is no place, or its
   * session is gone by now.
   */
  attach(ctx: AppContext, access: Access, ended: (reason: EndReason) => void): Promise<Attached>
}

/** A connection and what it depends on. */
export interface Attached {
  /** Freed at the end. */
  readonly place: Place
  mayDeliver(): boolean
  /** Ends with the connection, for the reason that is given first. */
  readonly work: AbortController
  end(reason: WorkEndReason): void
  /** Called at the end, whatever the reason. */
  finally(cleanUp: () => void): void
  /** Delivers what is told to its user and its session. */
  joinAs(listener: Listener): void
}

export interface LiveOptions {
  readonly watch: SessionWatch
  readonly rooms: Rooms
  readonly log: Logger
  readonly bounds?: Partial<ConnectionBounds>
}

export function createLive({ watch, rooms, log, bounds = {} }: LiveOptions): Live {
  const connections = createConnections(bounds)
  const deliveries = createDeliveries()

  return {
    connections,
    deliveries,
    rooms,
    log,

    async attach(ctx, access, ended) {
      const { identity, token } = ctx.state
      const work = new AbortController()
      const place = connections.reserve(ownerOf(ctx))
      const cleanUps: (() => void)[] = [place.free]
      const attached: Attached = {
        place,
        mayDeliver: () => true,
        work,
        end(reason) {
          if (work.signal.aborted) return
          work.abort(new WorkEnded(reason))
          for (const cleanUp of cleanUps) cleanUp()
        },
        finally: (cleanUp) => void cleanUps.push(cleanUp),
        joinAs() {},
      }
      if (identity === null || token === null) return attached
      let gone: EndReason | null = null
      const watched = watch.watch({
        token,
        userId: identity.user.id,
        allows: allowedBy(access),
        ended(reason) {
          gone = reason
          ended(reason)
        },
      })
      cleanUps.push(watched.release)
      await watched.known
      if (gone !== null) {
        attached.end(gone)
        throw refusal(gone)
      }
      return {
        ...attached,
        mayDeliver: watched.mayDeliver,
        joinAs(listener) {
          const { user, session } = identity
          cleanUps.push(rooms.joinAs({ user: user.id, session: session.id }, listener))
        },
      }
    },

    start: rooms.start,
    async stop(deadline) {
      connections.drain()
      deliveries.stop()
      await rooms.stop(deadline)
      watch.stop()
    },
  }
}

function refusal(reason: EndReason) {
  return reason === 'session-ended'
    ? problem('session-gone', 'the session has ended: sign in again')
    : problem('forbidden', 'your roles do not allow this any more')
}
