/**
 * One worker in a world that does its worst: a Redis, a revoker and a network reduced to what the protocol sees of
 * them. The worker is the real one (its state machine, its memory, its cache); everything around it is the reference.
 *
 * The revoker of this world is as fast as a correct one may ever be: it calls a revocation successful at the very
 * moment from which on the protocol promises that nobody accepts the session. True time is kept apart from the
 * clocks of the worker's machine, which may be suspended or set; the rates of all clocks are equal here, so that the
 * margins for drift (`surely`) are not needed.
 */
import { coherentCache, type Guard } from '../../shared/sessions/cache/coherent-cache.ts'
import { createSessionMemory } from '../../shared/sessions/cache/session-memory.ts'
import { maximumLeaseMs } from '../../shared/coherence/constants.ts'
import type { Invalidation } from '../../shared/coherence/invalidation.ts'
import { MemberState, type MemberEffects, type Renewal } from '../../shared/coherence/member-state.ts'
import type { Clock } from '../../shared/kernel/clock.ts'
import type { Stamp } from '../../shared/coherence/index.ts'
import { identityOf } from './identities.ts'
import { createManualClock } from './manual-clock.ts'

export const leaseMs = 1_000

/** Two sessions of one user and one of another: revocations of each, of both, and of neither. */
const owners = { s1: 'alice', s2: 'alice', s3: 'bob' } as const
export type SessionName = keyof typeof owners
export const sessionNames = Object.keys(owners) as SessionName[]
export const userNames = ['alice', 'bob', 'carol'] as const

/** What may happen next. A number picks among what is in flight, so that everything may be late or out of order. */
export type Step =
  | { readonly do: 'advance' | 'suspend' | 'step wall'; readonly ms: number }
  | { readonly do: 'load'; readonly session: SessionName }
  | { readonly do: 'load arrives'; readonly pick: number }
  | { readonly do: 'revoke session'; readonly session: SessionName }
  | { readonly do: 'revoke user'; readonly user: (typeof userNames)[number] }
  | { readonly do: 'message arrives' | 'message arrives and stays'; readonly pick: number }
  | { readonly do: 'sync sent' | 'sync executes' | 'sync arrives' | 'sync times out' | 'late sync executes' }
  | { readonly do: 'catch-up is over' | 'restart' | 'snapshot' | 'snapshot put back' }

/** The parts of the worker that a negative control replaces. */
export interface WorkerParts {
  createState(clock: Clock, effects: MemberEffects): MemberState
  guard(state: MemberState): Guard
  /** Whether its scripts say how far it has seen Redis, so that a Redis that went back is found out. */
  readonly tellsPosition: boolean
}

export const realParts: WorkerParts = {
  createState: (clock, effects) => new MemberState(clock, effects),
  tellsPosition: true,
  guard: (state) => ({ leaseOk: () => state.leaseOk(), mayFill: (stamp) => state.mayFill(stamp) }),
}

interface Revocation {
  readonly sessions: readonly SessionName[]
  readonly inc: string
  readonly seq: number
  readonly at: number
  readonly incBegan: number
  /** What the worker was registered with; null when it was no member. */
  readonly member: string | null
  acknowledged: boolean
  succeeded: boolean
}

interface SyncInFlight {
  readonly renewal: Renewal
  readonly inc: string
  readonly applied: number
  reply: Stamp | null
}

export function createWorld(parts: WorkerParts = realParts) {
  const clock = createManualClock()
  const memory = createSessionMemory({ clock, maxEntries: 8, maxAgeMs: 600_000, touchEveryMs: 60_000 })
  const state = parts.createState(clock, {
    apply({ kind, id }) {
      if (kind === 'session') memory.dropSession(id)
      else memory.dropUser(id)
    },
    flush: memory.clear,
  })
  const cache = coherentCache(memory, parts.guard(state))

  let now = 0
  const redis = {
    inc: 'inc-0',
    // Long ago: the first incarnation is settled.
    began: -maximumLeaseMs,
    seq: 0,
    alive: new Set<SessionName>(sessionNames),
    member: null as { applied: number; value: string } | null,
    registrations: 0,
  }
  let snapshot: { inc: string; seq: number; alive: Set<SessionName> } | null = null
  const revocations: Revocation[] = []
  const loads: (Stamp & { session: SessionName; valid: boolean; askedAt: number; askedAtWall: number })[] = []
  const messages: Invalidation[] = []
  const lateSyncs: SyncInFlight[] = []
  let sync: SyncInFlight | null = null
  let behind: Stamp | null = null

  function beginIncarnation(): void {
    redis.inc = `inc-${Number(redis.inc.slice(4)) + 1}`
    redis.began = now
    redis.seq = 0
    redis.member = null
  }

  /** Every script begins so: a Redis that is behind what its caller has seen serves another past. */
  function enter(position: Stamp): void {
    if (!parts.tellsPosition || position.inc !== redis.inc || position.seq <= redis.seq) return
    redis.alive.clear()
    beginIncarnation()
  }

  /**
   * Puts an older state back under the same incarnation. Only somebody who has seen the newer one can tell, and in
   * this world that is the worker: it has heard of everything that was confirmed since.
   */
  function putBack(): void {
    const seen = state.inc === redis.inc ? state.applied : 0
    const confirmed = revocations.filter((r) => r.succeeded && r.inc === redis.inc).map((r) => r.seq)
    if (snapshot?.inc !== redis.inc || seen <= snapshot.seq || Math.max(0, ...confirmed) > seen) return
    redis.seq = snapshot.seq
    redis.alive = new Set(snapshot.alive)
    // Whoever waits for them finds out, and records them again.
    for (const lost of revocations.filter((r) => !r.succeeded))
      revocations.splice(revocations.indexOf(lost), 1)
  }

  function take<T>(list: T[], pick: number): T | undefined {
    return list.splice(pick % Math.max(1, list.length), 1)[0]
  }

  function revoke(kind: 'session' | 'user', id: string, sessions: readonly SessionName[]): void {
    // Whoever revokes has seen as much as this worker: numbers that are passed again before anyone who has seen them
    // asks can't be told from those that they replace.
    enter({ inc: state.inc, seq: state.applied })
    for (const session of sessions) redis.alive.delete(session)
    redis.seq++
    messages.push({ inc: redis.inc, seq: redis.seq, kind, id })
    revocations.push({
      sessions,
      inc: redis.inc,
      seq: redis.seq,
      at: now,
      incBegan: redis.began,
      member: redis.member?.value ?? null,
      acknowledged: redis.member === null,
      succeeded: false,
    })
  }

  /** The script: registers the worker and notes how far it is. */
  function execute(request: SyncInFlight): void {
    enter({ inc: request.inc, seq: request.applied })
    const applied = request.inc === redis.inc ? request.applied : 0
    redis.member = { applied, value: `${applied}:${++redis.registrations}` }
    request.reply = { inc: redis.inc, seq: redis.seq }
    for (const revocation of revocations) {
      if (revocation.inc === redis.inc && applied >= revocation.seq) revocation.acknowledged = true
    }
  }

  function settleRevocations(): void {
    for (const revocation of revocations) {
      const outwaited = now - revocation.at >= leaseMs
      if (revocation.succeeded || now - revocation.incBegan < maximumLeaseMs) continue
      if (!revocation.acknowledged && !outwaited) continue
      revocation.succeeded = true
      // Not heard of since, and its lease is over: the revoker expels it.
      if (
        !revocation.acknowledged &&
        redis.inc === revocation.inc &&
        redis.member?.value === revocation.member
      )
        redis.member = null
    }
  }

  function perform(step: Step): void {
    switch (step.do) {
      case 'advance':
        now += step.ms
        return clock.advance(step.ms)
      case 'suspend':
        now += step.ms
        return clock.suspend(step.ms)
      case 'step wall':
        return clock.stepWall(step.ms)
      case 'load':
        enter({ inc: state.inc, seq: state.applied })
        loads.push({
          session: step.session,
          valid: redis.alive.has(step.session),
          inc: redis.inc,
          seq: redis.seq,
          askedAt: clock.mono(),
          askedAtWall: clock.wall(),
        })
        return
      case 'load arrives': {
        const load = take(loads, step.pick)
        if (load?.valid) {
          const { session, inc, seq, askedAt, askedAtWall } = load
          const identity = identityOf(owners[session])
          cache.set({
            token: session,
            hash: session,
            identity,
            ttlMs: 60_000,
            askedAt,
            askedAtWall,
            inc,
            seq,
          })
        }
        return
      }
      case 'revoke session':
        return revoke('session', step.session, [step.session])
      case 'revoke user':
        return revoke(
          'user',
          step.user,
          sessionNames.filter((name) => owners[name] === step.user),
        )
      case 'message arrives': {
        const message = take(messages, step.pick)
        if (message) state.receive(message)
        state.caughtUp()
        return
      }
      case 'message arrives and stays': {
        const message = messages[step.pick % Math.max(1, messages.length)]
        if (message) state.receive(message)
        state.caughtUp()
        return
      }
      case 'sync sent':
        sync ??= {
          renewal: { mono: clock.mono(), wall: clock.wall(), leaseMs, applied: state.applied },
          inc: state.inc,
          applied: state.applied,
          reply: null,
        }
        return
      case 'sync executes':
        if (sync?.reply === null) execute(sync)
        return
      case 'sync arrives': {
        if (!sync?.reply) return
        const { renewal, reply } = sync
        sync = null
        behind = state.renewed(renewal, reply) === 'behind' ? reply : null
        return
      }
      case 'sync times out':
        if (sync?.reply === null) lateSyncs.push(sync)
        sync = null
        return
      case 'late sync executes': {
        const late = lateSyncs.shift()
        if (late) execute(late)
        return
      }
      case 'catch-up is over':
        if (behind) state.giveUpTo(behind)
        behind = null
        state.caughtUp()
        return
      case 'restart':
        // The new incarnation begins when somebody asks first, and who asks has seen as much as this worker (see
        // `revoke`): a state that was put back before the restart is found out by its number all the same.
        enter({ inc: state.inc, seq: state.applied })
        return beginIncarnation()
      case 'snapshot':
        snapshot = { inc: redis.inc, seq: redis.seq, alive: new Set(redis.alive) }
        return
      case 'snapshot put back':
        return putBack()
    }
  }

  return {
    /** Does the step (nothing, when it makes no sense now), then lets the revoker conclude what it may. */
    take(step: Step): void {
      perform(step)
      settleRevocations()
    },
    /** The sessions that the worker accepts although their revocation has succeeded: there must never be one. */
    staleAccepts(): SessionName[] {
      const dead = new Set(revocations.filter((r) => r.succeeded).flatMap((r) => r.sessions))
      return sessionNames.filter((name) => dead.has(name) && cache.get(name) !== undefined)
    },
    /** Whether the worker accepts the session from its memory now. */
    accepts: (session: SessionName) => cache.get(session) !== undefined,
    succeeded: () => revocations.filter((r) => r.succeeded).length,
  }
}
