import type { Redis } from 'ioredis'
import type { Service } from '../../../../shared/kernel/lifecycle.ts'

export type Part = 'ok' | 'down'

/**
 * How this worker holds sessions: told, not judged. Without its lease it asks Redis about each request, and whether
 * Redis answers is a part of its own. `none`: it holds no sessions that would need one.
 */
export interface SessionsDetail {
  readonly cache: string
  readonly lease: 'held' | 'lapsed' | 'none'
}

/** What is amiss and no reason to send requests elsewhere. */
export interface ReadinessNotes {
  /** `lowered`: Redis has lost what was counted of wrong passwords, so fewer are allowed for a while. */
  readonly signIn: { readonly limits: 'full' | 'lowered' | 'unknown'; readonly recoverySeconds: number }
  /** `unreadable`: what lies in Redis is not ours, so no one follows it; the next change of a setting replaces it. */
  readonly settings: 'followed' | 'unreadable'
  /** `untrusted`: requests seem to come through a proxy that TRUST_PROXY does not count. */
  readonly proxy: 'as-configured' | 'untrusted'
}

/** Whether this worker should be sent requests, and if not, why. */
export interface Readiness extends Service {
  readonly phase: 'starting' | 'running' | 'draining'
  /** Asks each part that requests depend on, within the bound; those who ask at once share the answer. */
  check(): Promise<Readonly<Record<string, Part>>>
  readonly sessions?: (() => SessionsDetail) | undefined
  readonly notes?: (() => Promise<ReadinessNotes>) | undefined
  /** From now on requests should go elsewhere. */
  drain(): void
}

/** @param parts asks a part by name; rejects when it is down. Bounded by `boundMs` here, whatever it does. */
export function createReadiness(
  parts: Readonly<Record<string, () => Promise<unknown>>>,
  boundMs = 2_000,
  sessions?: () => SessionsDetail,
  notes?: () => Promise<ReadinessNotes>,
): Readiness {
  let phase: Readiness['phase'] = 'starting'
  let asking: Promise<Record<string, Part>> | null = null

  async function askAll(): Promise<Record<string, Part>> {
    const states = await Promise.all(
      Object.entries(parts).map(async ([name, ask]) => [name, await stateOf(ask, boundMs)] as const),
    )
    return Object.fromEntries(states)
  }

  return {
    get phase() {
      return phase
    },
    check() {
      asking ??= askAll().finally(() => {
        asking = null
      })
      return asking
    },
    sessions,
    notes,
    drain() {
      phase = 'draining'
    },
    async start() {
      phase = 'running'
    },
    async stop() {
      phase = 'draining'
    },
  }
}

async function stateOf(ask: () => Promise<unknown>, boundMs: number): Promise<Part> {
  let patience: NodeJS.Timeout | undefined
  const outOfTime = new Promise<never>((_resolve, reject) => {
    patience = setTimeout(() => reject(new Error('no answer in time')), boundMs)
  })
  try {
    await Promise.race([ask(), outOfTime])
    return 'ok'
  } catch {
    return 'down'
  } finally {
    clearTimeout(patience)
  }
}

/**
 * Does Redis take writes? One that is read-only (a replica) answers PING, and can't be used.
 *
 * @param key never there
 */
export async function probeRedis(redis: Redis, key: string): Promise<void> {
  // Deleting works in a full Redis too, in which sessions do as well.
  await redis.del(key)
}
