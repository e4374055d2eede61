/**
 * This worker's membership of the coherence domain: listens to invalidations, acknowledges them, and keeps its lease
 * renewed. The decisions are made in member-state.ts; here are the timers and the connections.
 *
 * Pub/sub is only the fast path. A lost message shows as a gap or, at the next renewal (every quarter of a lease), as
 * a sequence number that is ahead; a subscriber that is silently dead costs memory hits, never correctness.
 */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Redis } from 'ioredis'
import type { Clock } from '../kernel/clock.ts'
import type { Deadline, Service } from '../kernel/lifecycle.ts'
import { catchUpMs, maximumLeaseMs, surely } from './constants.ts'
import type { SessionScripts, Stamp } from '../sessions/scripts.ts'
import type { IncarnationWatch } from './incarnation-watch.ts'
import { parseInvalidation, type Invalidation } from './invalidation.ts'
import { MemberState } from './member-state.ts'

/** Something other than sessions that follows the same order and acknowledgement: settings, limits. */
export interface Follower {
  /** A message of its kind arrived. */
  apply(text: string): void
  /** Messages may have been missed: read the whole state again. Nothing is acknowledged before this resolves. */
  refresh(): Promise<void>
}

export interface CoherenceDependencies {
  readonly scripts: Pick<SessionScripts, 'sync' | 'leave'>
  /** A connection for pub/sub alone. */
  readonly subscriber: Redis
  readonly channel: string
  /** What this member is called on its host; its process id otherwise. */
  readonly place?: string | undefined
  readonly clock: Clock
  readonly incarnations: IncarnationWatch
  /** Zero while this worker holds no sessions in memory. */
  readonly leaseMs: number
  /** How often to renew while there is no lease to renew. */
  readonly idleSyncMs: number
  /** Drops what this worker holds in memory. */
  readonly memory: { dropSession(hash: string): void; dropUser(userId: string): void; clear(): void }
}

/** Counters since the start, for metrics. */
export interface CoherenceCounters {
  syncs: number
  syncFailures: number
  /** Leases that ended before they were renewed. */
  leaseLapses: number
  applied: number
  gaps: number
  flushes: number
  malformedMessages: number
  subscriberResets: number
}

export type Coherence = ReturnType<typeof joinCoherence>

export function joinCoherence(dependencies: CoherenceDependencies) {
  const { scripts, subscriber, channel, clock, incarnations, memory, place = process.pid } = dependencies
  const memberId = `${hostname()}:${place}:${randomBytes(9).toString('base64url')}`
  const followers = new Map<string, Follower>()
  const stale = new Set<Follower>()
  let refreshing: Follower | null = null
  const counters: CoherenceCounters = {
    syncs: 0,
    syncFailures: 0,
    leaseLapses: 0,
    applied: 0,
    gaps: 0,
    flushes: 0,
    malformedMessages: 0,
    subscriberResets: 0,
  }
  const state = new MemberState(clock, { apply, flush })

  let leaseMs = dependencies.leaseMs
  let running = false
  /** The lease, when it was last looked at. */
  let held = false
  let syncing: Promise<void> | null = null
  let syncAgain = false
  let lastSync = 0
  let renewalTimer: NodeJS.Timeout | undefined
  let catchUpTimer: NodeJS.Timeout | undefined
  let pulseTimer: NodeJS.Timeout | undefined

  function apply({ kind, id }: Invalidation): void {
    if (kind === 'session') memory.dropSession(id)
    else if (kind === 'user') memory.dropUser(id)
    else announceTo(followers.get(kind), id)
  }

  function announceTo(follower: Follower | undefined, text: string): void {
    follower?.apply(text)
    // What it is reading right now may be of the time before this message, and would arrive after it.
    if (follower && follower === refreshing) stale.add(follower)
  }

  function flush(): void {
    counters.flushes++
    memory.clear()
    for (const follower of followers.values()) stale.add(follower)
  }

  function onMessage(_channel: string, text: string): void {
    const message = parseInvalidation(text)
    if (!message) {
      counters.malformedMessages++
      return
    }
    const outcome = state.receive(message)
    if (outcome === 'ignored') return
    if (outcome === 'gap') counters.gaps++
    else counters.applied++
    // This is the acknowledgement.
    void sync()
  }

  /** One sync at a time: asked for during one, another follows it. */
  function sync(): Promise<void> {
    if (!running) return Promise.resolve()
    if (syncing) {
      syncAgain = true
      return syncing
    }
    syncing = renew().finally(() => {
      syncing = null
      if (!syncAgain) return
      syncAgain = false
      void sync()
    })
    return syncing
  }

  async function renew(): Promise<void> {
    counters.syncs++
    try {
      await refreshFollowers()
      const renewal = { mono: clock.mono(), wall: clock.wall(), leaseMs }
      const reply = await scripts.sync({
        id: memberId,
        inc: state.inc,
        applied: state.applied,
        leaseMs,
        settled: incarnations.knownForMs(state.inc) >= surely(maximumLeaseMs),
        order: ++lastSync,
      })
      // A lease asked for under another setting is not ours any more.
      if (!running || renewal.leaseMs !== leaseMs) return
      incarnations.saw(reply.inc)
      noteLapse()
      const outcome = state.renewed(renewal, reply)
      held = state.leaseOk()
      if (outcome === 'behind') awaitMessages(reply)
      else if (outcome === 'new-incarnation' && stale.size > 0) syncAgain = true
    } catch {
      // The lease runs out by itself; requests then ask the authority and report what is wrong with it.
      counters.syncFailures++
      noteLapse()
    }
  }

  /** Once for each lease that was held and is over. */
  function noteLapse(): void {
    if (held && !state.leaseOk()) counters.leaseLapses++
    held = state.leaseOk()
  }

  /**
   * What was acknowledged must have taken effect: state that may be out of date is read first, and again when it
   * went out of date during the reading.
   */
  async function refreshFollowers(): Promise<void> {
    for (const follower of stale) {
      stale.delete(follower)
      refreshing = follower
      try {
        await follower.refresh()
      } catch (cause) {
        stale.add(follower)
        throw cause
      } finally {
        refreshing = null
      }
    }
  }

  /** Each message that arrives syncs; if they don't come soon, what is held is given up. */
  function awaitMessages(target: Stamp): void {
    clearTimeout(catchUpTimer)
    catchUpTimer = setTimeout(() => {
      if (state.giveUpTo(target)) void sync()
    }, catchUpMs)
  }

  function schedule(): void {
    clearInterval(renewalTimer)
    renewalTimer = setInterval(() => void sync(), (leaseMs || dependencies.idleSyncMs) / 4)
  }

  /** A subscriber whose peer is silently gone is made again; until then every renewal finds what it missed. */
  async function checkPulse(): Promise<void> {
    // Connected but not ready: a peer that vanished before it greeted us would be waited for without end.
    if (subscriber.status !== 'ready' && subscriber.status !== 'connect') return
    let late: NodeJS.Timeout | undefined
    const silence = new Promise<never>((_resolve, reject) => {
      late = setTimeout(() => reject(new Error('no answer to PING')), maximumLeaseMs)
    })
    try {
      await Promise.race([subscriber.ping(), silence])
    } catch {
      if (!running) return
      counters.subscriberResets++
      subscriber.disconnect(true)
    } finally {
      clearTimeout(late)
    }
  }

  function onSubscriberReady(): void {
    // The subscription is sent again by now, and whatever was published meanwhile is missing.
    void sync()
  }

  const service: Service = {
    async start() {
      running = true
      subscriber.on('message', onMessage)
      subscriber.on('ready', onSubscriberReady)
      await subscriber.subscribe(channel)
      await sync()
      schedule()
      pulseTimer = setInterval(() => void checkPulse(), maximumLeaseMs)
    },
    async stop(_deadline: Deadline) {
      if (!running) return
      running = false
      clearInterval(renewalTimer)
      clearInterval(pulseTimer)
      clearTimeout(catchUpTimer)
      subscriber.off('message', onMessage)
      subscriber.off('ready', onSubscriberReady)
      state.dropLease()
      memory.clear()
      await syncing
      await scripts.leave(memberId).catch(() => {})
    },
  }

  return {
    ...service,
    memberId,
    counters,
    leaseOk: () => state.leaseOk(),
    leaseLeftMs: () => state.leaseLeftMs(),
    mayFill: (stamp: Stamp) => state.mayFill(stamp),
    /** Redis was seen in an incarnation that this member may not have taken up yet. */
    noticed(inc: string): void {
      if (inc !== state.inc) void sync()
    },
    /** Changes the lease that this member asks for; the present one ends at once. Zero: holds nothing any more. */
    setLease(ms: number): void {
      state.dropLease()
      held = false
      leaseMs = ms
      if (!running) return
      schedule()
      void sync()
    },
    /** Follows announcements of this kind. The follower is refreshed before the next acknowledgement. */
    follow(kind: string, follower: Follower): void {
      followers.set(kind, follower)
      stale.add(follower)
    },
  }
}
