/** The streams and sockets that are open on this worker: how many there may be, and how all of them end when it stops. */
import { Problem, problem } from '../../../shared/app/problem.ts'

export interface OpenConnection {
  /** The worker stops: says when to come back, and ends. */
  drain(): void
  /** Called every few seconds: shows the client, and what lies between, that the connection is alive. */
  beat(): void
}

export interface ConnectionBounds {
  /** Of one user, on this worker; who is not signed in counts by address. */
  readonly perUser: number
  readonly perWorker: number
  readonly heartbeatMs: number
}

const usualBounds: ConnectionBounds = { perUser: 50, perWorker: 20_000, heartbeatMs: 10_000 }

/** Each client comes back after a pause of its own, so that a reload of all workers causes no stampede. */
const comeBack = { leastMs: 500, mostMs: 4_000 }

export function comeBackMs(): number {
  return Math.round(comeBack.leastMs + Math.random() * (comeBack.mostMs - comeBack.leastMs))
}

/** A place among the open connections. */
export interface Place {
  /** The connection is open now: it is drained and kept alive with the others. */
  open(connection: OpenConnection): void
  /** Safe to call twice. */
  free(): void
}

export interface Connections {
  /** Takes a place. Throws 429 or 503 when there is none. */
  reserve(owner: string): Place
  readonly size: number
  /** Ends all, and refuses further ones. */
  drain(): void
}

export function createConnections(options: Partial<ConnectionBounds> = {}): Connections {
  const { perUser, perWorker, heartbeatMs } = { ...usualBounds, ...options }
  const open = new Set<OpenConnection>()
  const byOwner = new Map<string, number>()
  let taken = 0
  let draining = false
  let beating: NodeJS.Timeout | undefined

  function requireRoom(owner: string): void {
    if (draining) throw notNow('this worker stops: connect again', 1)
    if ((byOwner.get(owner) ?? 0) >= perUser) {
      throw new Problem(
        429,
        'too-many-connections',
        'Too many connections',
        `at most ${perUser} streams and sockets may be open at a time: close some`,
        { headers: { 'Retry-After': '5' } },
      )
    }
    if (taken >= perWorker) throw notNow('this worker has as many streams and sockets as it takes', 5)
  }

  function leave(owner: string): void {
    taken--
    const left = (byOwner.get(owner) ?? 1) - 1
    if (left > 0) byOwner.set(owner, left)
    else byOwner.delete(owner)
  }

  function beat(): void {
    for (const connection of open) connection.beat()
  }

  return {
    get size() {
      return taken
    },

    reserve(owner) {
      requireRoom(owner)
      taken++
      byOwner.set(owner, (byOwner.get(owner) ?? 0) + 1)
      let mine: OpenConnection | null = null
      let freed = false
      return {
        open(connection) {
          mine = connection
          open.add(connection)
          beating ??= setInterval(beat, heartbeatMs).unref()
        },
        free() {
          if (freed) return
          freed = true
          leave(owner)
          if (mine) open.delete(mine)
          if (open.size > 0) return
          clearInterval(beating)
          beating = undefined
        },
      }
    },

    drain() {
      draining = true
      for (const connection of Array.from(open)) connection.drain()
    },
  }
}

function notNow(detail: string, seconds: number): Problem {
  return problem('unavailable', detail, { headers: { 'Retry-After': String(seconds) } })
}
