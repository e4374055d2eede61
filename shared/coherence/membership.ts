/**
 * This process' membership of the coherence domain: listens to announcements, acknowledges them, and keeps its lease
 * renewed. The decisions are made in member-state.ts; here are the timers and the connections.
 *
 * Pub/sub is only the fast path. A lost message shows as a gap or, at the next renewal (every quarter of a lease), as
 * a sequence number that is ahead; a subscriber that is silently dead costs memory hits, never correctness.
 */
import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Clock } from '../kernel/clock.ts'
import { ConfigurationError } from '../kernel/errors.ts'
import type { Deadline, Service } from '../kernel/lifecycle.ts'
import { silentEvent } from '../kernel/redis/subscriber-pulse.ts'
import type { Coherence, CoherenceCounters, DurabilityMode, Stamp } from './coherence.ts'
import { catchUpMs, maximumLeaseMs, protocolVersion, surely, turnMs } from './constants.ts'
import { createFollowers } from './followers.ts'
import { freshValue } from './fresh-value.ts'
import type { IncarnationWatch } from './incarnation-watch.ts'
import { parseInvalidation, type Invalidation } from './invalidation.ts'
import { MemberState } from './member-state.ts'
import { isPending, type CoherenceScripts } from './scripts.ts'
import { watchSuspension } from './suspension-watch.ts'

export interface MembershipDependencies {
  readonly scripts: Pick<CoherenceScripts, 'join' | 'sync' | 'leave'>
  /** A connection for pub/sub alone. */
  readonly subscriber: Redis
  readonly channel: string
  /** What this member is called on its host; its process id otherwise. */
  readonly place?: string | undefined
  readonly clock: Clock
  readonly durability: DurabilityMode
  readonly incarnations: IncarnationWatch
  readonly leaseMs: number
  /** Mode failover: the primary was promoted and has not opened yet. */
  readonly onPending?: (() => void) | undefined
}

/** What being a member gives; see coherence.ts. */
export interface Membership
  extends
    Service,
    Pick<Coherence, 'memberId' | 'counters' | 'leaseOk' | 'leaseLeftMs' | 'mayFill' | 'believes' | 'follow'> {
  /** Whether the member with this id is here, and has applied everything up to `stamp`. */
  hasApplied(memberId: string, stamp: Stamp): boolean
  /** Redis was seen in an incarnation that this member may not have taken up yet. */
  noticed(inc: string): void
  /**
   * Resolves with the incarnation of a sync that was sent after this call and is confirmed: in mode failover by the
   * replicas too, so that all that was written before it is kept. Rejects when the next sync was not confirmed.
   */
  replicated(): Promise<string>
}

export interface OutsiderDependencies {
  readonly scripts: Pick<CoherenceScripts, 'confirmWrite'>
  readonly incarnations: IncarnationWatch
}

/** A process that announces without being a member: it has no lease, holds nothing and follows nothing. */
export function stayOutside({ scripts, incarnations }: OutsiderDependencies): Membership {
  async function replicated(): Promise<string> {
    const inc = await scripts.confirmWrite()
    incarnations.confirmed(inc)
    return inc
  }
  return {
    async start() {},
    async stop() {},
    memberId: '',
    counters: newCounters(),
    leaseOk: () => false,
    leaseLeftMs: () => 0,
    mayFill: () => false,
    // No lease says that Redis was not replaced meanwhile: so its replicas do.
    believes: async (inc) => (await replicated()) === inc,
    follow() {},
    hasApplied: () => false,
    noticed() {},
    replicated,
  }
}

export function joinDomain(dependencies: MembershipDependencies): Membership {
  const {
    scripts,
    subscriber,
    channel,
    durability,
    clock,
    incarnations,
    leaseMs,
    place = process.pid,
  } = dependencies
  const { onPending } = dependencies
  const memberId = `${hostname()}:${place}:${freshValue()}`
  const followers = createFollowers()
  const suspensions = watchSuspension(clock)
  const counters = newCounters()
  const state = new MemberState(clock, { apply, flush })

  let running = false
  /** The lease, when it was last looked at. */
  let held = false
  let syncing: Promise<void> | null = null
  let syncAgain = false
  /** The next sync has to find out which server this is. */
  let verify = true
  let lastSync = 0
  let lastConfirmed = { order: 0, inc: '' }
  let renewalTimer: NodeJS.Timeout | undefined
  let turnTimer: NodeJS.Timeout | undefined
  let catchUpTimer: NodeJS.Timeout | undefined

  function apply({ kind, id }: Invalidation): void {
    if (followers.apply(kind, id) === 'unknown') counters.flushes++
  }

  function flush(): void {
    counters.flushes++
    followers.missed()
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
    if (followers.settled) state.caughtUp()
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
      // What is acknowledged must have taken effect.
      await followers.settle()
      state.caughtUp()
      const { inc, applied } = state
      const renewal = { mono: clock.mono(), wall: clock.wall(), leaseMs, applied }
      const order = ++lastSync
      const reply = await scripts.sync({
        id: memberId,
        inc,
        applied,
        leaseMs,
        settled: incarnations.knownForMs(inc) >= surely(maximumLeaseMs),
        order,
        verify: takeVerify(),
      })
      // So must what the lease counts as applied.
      while (!followers.settled) await followers.settle()
      if (!running) return
      incarnations.saw(reply)
      incarnations.confirmed(reply.inc)
      lastConfirmed = { order, inc: reply.inc }
      noteLapse()
      if (suspensions.stoodStill(reply, renewal.mono)) {
        // By its own clocks this lease may be good, and by everybody else's it is over.
        state.dropLease()
        flush()
        syncAgain = true
        return
      }
      const outcome = state.renewed(renewal, reply)
      if (outcome === 'new-incarnation') {
        // Registered as one that has applied nothing; and no lease while a follower still reads what is new to it.
        if (!followers.settled) state.dropLease()
        syncAgain = true
      } else if (outcome === 'behind') awaitMessages(reply)
      held = state.leaseOk()
    } catch (cause) {
      // The lease runs out by itself; anyone who needs it then asks Redis, and reports what is wrong with it.
      counters.syncFailures++
      noteLapse()
      if (isPending(cause)) onPending?.()
    }
  }

  function takeVerify(): boolean {
    const due = verify
    verify = false
    return due
  }

  function renewRegularly(): void {
    verify = true
    void sync()
  }

  /** A member that may have stood still asks at once; until it is answered, requests are decided by Redis. */
  function turn(): void {
    if (!state.turned()) void sync()
  }

  async function replicated(): Promise<string> {
    const wanted = lastSync + 1
    await sync()
    // That one may have been under way already; then another has followed it.
    if (lastConfirmed.order < wanted) await syncing
    if (lastConfirmed.order < wanted) throw new Error('the last sync was not confirmed')
    return lastConfirmed.inc
  }

  /** Once for each lease that was held and is over. */
  function noteLapse(): void {
    if (held && !state.leaseOk()) counters.leaseLapses++
    held = state.leaseOk()
  }

  /** Each message that arrives syncs; if they don't come soon, what is held is given up. */
  function awaitMessages(target: Stamp): void {
    catchUpTimer ??= setTimeout(() => {
      catchUpTimer = undefined
      if (!state.giveUpTo(target)) return
      if (followers.settled) state.caughtUp()
      void sync()
    }, catchUpMs)
  }

  /** Whoever opened it noticed (kernel/redis/subscriber-pulse.ts); until it hears again every renewal finds what it missed. */
  function onSubscriberSilent(): void {
    counters.subscriberResets++
  }

  function onSubscriberReady(): void {
    // The subscription is sent again by now, and whatever was published meanwhile is missing.
    void sync()
  }

  /** Rejects when members that disagree on how the domain works are alive; those that are gone are outwaited once. */
  async function agree(): Promise<void> {
    const first = await scripts.join('').catch((cause: unknown) => {
      // No one is told anything yet; those who wait with this one have agreed.
      if (!isPending(cause)) throw cause
      return null
    })
    if (first === null || first.agreed) return
    await pause(surely(maximumLeaseMs))
    const again = await scripts.join(first.seen)
    if (!again.agreed) throw new ConfigurationError([disagreement(durability, again.theirs)])
  }

  const service: Service = {
    async start() {
      await agree()
      running = true
      subscriber.on('message', onMessage)
      subscriber.on('ready', onSubscriberReady)
      subscriber.on(silentEvent, onSubscriberSilent)
      await subscriber.subscribe(channel)
      await sync()
      // The first one registered it; with the second it has acknowledged what it found.
      if (!state.leaseOk()) await sync()
      renewalTimer = setInterval(renewRegularly, leaseMs / 4)
      turnTimer = setInterval(turn, turnMs)
    },
    async stop(_deadline: Deadline) {
      if (!running) return
      running = false
      clearInterval(renewalTimer)
      clearInterval(turnTimer)
      clearTimeout(catchUpTimer)
      subscriber.off('message', onMessage)
      subscriber.off('ready', onSubscriberReady)
      subscriber.off(silentEvent, onSubscriberSilent)
      state.dropLease()
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
    mayFill: (stamp) => state.mayFill(stamp),
    async believes(inc) {
      const isOurs = () => state.leaseOk() && inc === state.inc
      if (!isOurs()) await sync()
      return isOurs()
    },
    follow: followers.add,
    // What it would acknowledge: everything has taken effect.
    hasApplied: (id, { inc, seq }) =>
      id === memberId && inc === state.inc && state.applied >= seq && followers.settled,
    noticed(inc) {
      if (inc !== state.inc) void sync()
    },
    replicated,
  }
}

function disagreement(durability: DurabilityMode, theirs: string): string {
  const [protocol] = theirs.split(',')
  if (protocol !== `protocol ${protocolVersion}`) {
    return (
      `the workers that are running on this Redis speak ${protocol}, and this one protocol ${protocolVersion}: releases of two ` +
      'protocols do not share sessions. Stop those of the other release first; nobody is signed out by that. (A rolling ' +
      'upgrade goes between releases of one protocol.)'
    )
  }
  return (
    `the workers that are running on this Redis agreed on something else (${theirs}; this one: durability ` +
    `${durability}). Set SESSION_DURABILITY alike on every host, and stop those of an older version first.`
  )
}

function newCounters(): CoherenceCounters {
  return {
    syncs: 0,
    syncFailures: 0,
    leaseLapses: 0,
    applied: 0,
    gaps: 0,
    flushes: 0,
    malformedMessages: 0,
    subscriberResets: 0,
  }
}
