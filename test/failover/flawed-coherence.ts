/**
 * Membership of a coherence domain in mode failover, put together from the real parts with one rule left out: what the
 * tests of the rules must be able to catch. The rules are those of docs/model/failover2.pml.
 */
import type { Redis } from 'ioredis'
import { systemClock } from '../../shared/kernel/clock.ts'
import { coherenceKeys, openCoherence, type Coherence, type Failover } from '../../shared/coherence/index.ts'
import { watchIncarnation } from '../../shared/coherence/incarnation-watch.ts'
import { createRevoker } from '../../shared/coherence/revoker.ts'
import { createCoherenceScripts } from '../../shared/coherence/scripts.ts'

export type Rule = 'L' | 'R' | 'M' | 'I' | 'E'

interface Parts {
  readonly redis: Redis
  readonly subscriber: Redis
  readonly failover: Failover
  readonly leaseMs: number
}

export function openCoherenceWithout(rule: Rule | null, parts: Parts): Coherence {
  const { redis, subscriber, leaseMs } = parts
  // A promoted node that goes on at once, with whatever it has.
  if (rule === 'E') return openCoherence({ redis, subscriber, leaseMs, durability: 'keep' })
  const failover =
    rule === 'L' ? { ...parts.failover, confirming: believing(parts.failover.confirming) } : parts.failover
  const real = openCoherence({ redis, subscriber, leaseMs, failover, durability: 'failover' })
  if (rule === 'M') return { ...real, believes: () => true }
  if (rule === 'R' || rule === 'I') return { ...real, confirm: confirmWithout(rule, { ...parts, real }) }
  return real
}

/** A connection on which every replica has everything at once. */
function believing(confirming: Redis): Redis {
  function pipeline() {
    const real = confirming.pipeline()
    const commands = {
      evalsha: (...args: Parameters<typeof real.evalsha>) => (real.evalsha(...args), commands),
      eval: (...args: Parameters<typeof real.eval>) => (real.eval(...args), commands),
      wait: () => commands,
      exec: async () => [...((await real.exec()) ?? []), [null, Infinity]],
    }
    return commands
  }
  return { pipeline } as unknown as Redis
}

/** R: success without a renewal that the replicas have. I: an incarnation is as good as known from the beginning. */
function confirmWithout(rule: 'R' | 'I', { redis, failover, leaseMs, real }: Parts & { real: Coherence }) {
  const keys = coherenceKeys()
  const clock = systemClock
  const incarnations = watchIncarnation(clock)
  const { position } = incarnations
  const durability = 'failover'
  const scripts = createCoherenceScripts(redis, {
    keys,
    durability,
    position,
    failover: { ...failover, leaseMs },
  })
  const { confirm } = createRevoker({
    clock,
    durability,
    incarnations: rule === 'I' ? { ...incarnations, knownForMs: () => Infinity } : incarnations,
    acks: scripts.acks,
    expel: scripts.expel,
    replicated: rule === 'R' ? undefined : scripts.confirmWrite,
  })
  return confirm satisfies typeof real.confirm
}
