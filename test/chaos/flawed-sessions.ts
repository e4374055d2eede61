/**
 * Sessions put together from the real parts with one safeguard left out: what the chaos test must be able to catch.
 * They exist here only; the product can't be configured to be like this.
 */
import type { Redis } from 'ioredis'
import { systemClock } from '../../shared/kernel/clock.ts'
import { group, type Service } from '../../shared/kernel/lifecycle.ts'
import { coherentCache } from '../../shared/sessions/cache/coherent-cache.ts'
import { createSessionMemory } from '../../shared/sessions/cache/session-memory.ts'
import { openCoherence, type Recorded } from '../../shared/coherence/index.ts'
import { createSessionScripts } from '../../shared/sessions/scripts.ts'
import type { Identity, Revocation, Sessions } from '../../shared/sessions/sessions.ts'
import { hashToken } from '../../shared/sessions/token.ts'

export const flaws = ['no ack wait', 'no lease', 'no fill check'] as const
export type Flaw = (typeof flaws)[number]

/** A safeguard of streams that is left out. */
export const streamFlaws = ['no lease at each delivery', 'nothing held back'] as const
export type StreamFlaw = (typeof streamFlaws)[number]

/** What the workers of the chaos test need of sessions. */
export type ServedSessions = Pick<
  Sessions,
  'authenticate' | 'prepareLogin' | 'create' | 'saveData' | 'revoke' | 'revokeUser'
>

interface Connections {
  readonly redis: Redis
  readonly subscriber: Redis
  readonly leaseMs: number
}

/** `authority`: real sessions without a memory of their own, for all that is not at fault. */
export function createFlawedSessions(
  flaw: Flaw,
  authority: ServedSessions & Service,
  { redis, subscriber, leaseMs }: Connections,
): ServedSessions & Service {
  const clock = systemClock
  const coherence = openCoherence({ redis, subscriber, durability: 'keep', leaseMs })
  const scripts = createSessionScripts(redis, {
    keys: coherence.keys,
    durability: 'keep',
    idleMs: 600_000,
    touchEveryMs: 60_000,
    longestMs: 3_600_000,
    maxPerUser: 1_000,
  })
  const memory = createSessionMemory({ clock, maxEntries: 10_000, maxAgeMs: 600_000, touchEveryMs: 60_000 })
  coherence.follow('session', { apply: memory.dropSession, refresh: memory.clear })
  coherence.follow('user', { apply: memory.dropUser, refresh: memory.clear })
  const cache = coherentCache(memory, {
    leaseOk: flaw === 'no lease' ? () => true : coherence.leaseOk,
    mayFill: flaw === 'no fill check' ? () => true : coherence.mayFill,
  })

  async function load(token: string): Promise<Identity | null> {
    const hash = hashToken(token)
    const asked = { askedAt: clock.mono(), askedAtWall: clock.wall() }
    const loaded = await scripts.load(hash, false)
    if (loaded.state !== 'valid') return null
    cache.set({ token, hash, ...asked, ...loaded })
    return loaded.identity
  }

  async function confirm(record: () => Promise<Recorded>): Promise<Revocation> {
    if (flaw === 'no ack wait') return { outcome: 'revoked', count: (await record()).count }
    const told = await coherence.confirm(record)
    return told.confirmed
      ? { outcome: 'revoked', count: told.recorded.count }
      : { outcome: 'unconfirmed', cause: told.cause }
  }

  return {
    ...group([authority, coherence]),
    authenticate: (token) => (cache.get(token) as Identity | undefined) ?? load(token),
    prepareLogin: authority.prepareLogin,
    create: authority.create,
    saveData: authority.saveData,
    revoke: (token) => confirm(() => scripts.revokeSession(hashToken(token))),
    revokeUser: (userId) => {
      const generation = `${process.pid}:${clock.mono()}`
      return confirm(() => scripts.revokeUser(userId, generation))
    },
  }
}
