/** The composition of this part: the scripts, this process' membership, and the revoker that waits for the others. */
import { Cluster, type Redis } from 'ioredis'
import { systemClock, type Clock } from '../kernel/clock.ts'
import { Unavailable } from '../kernel/errors.ts'
import { group } from '../kernel/lifecycle.ts'
import type { Coherence, DurabilityMode, Waited } from './coherence.ts'
import { maximumLeaseMs } from './constants.ts'
import { watchIncarnation } from './incarnation-watch.ts'
import { coherenceKeys } from './keys.ts'
import type { Failover } from './failover.ts'
import { shareLooks } from './looks.ts'
import { joinDomain, stayOutside, type Membership } from './membership.ts'
import { watchPromotion } from './promotion.ts'
import { createRevoker } from './revoker.ts'
import { createCoherenceScripts } from './scripts.ts'

export interface CoherenceOptions {
  /** A connection for short commands, with a command timeout. */
  readonly redis: Redis
  /**
   * A connection for pub/sub alone. Without one this process is no member: it announces and waits for the members,
   * but has no lease and follows nothing.
   */
  readonly subscriber?: Redis
  readonly durability: DurabilityMode
  /** Mode failover needs to reach the data nodes. */
  readonly failover?: Failover | undefined
  /** The longest that a hung member can delay an announcement; at most `maximumLeaseMs`. */
  readonly leaseMs: number
  /** Applications that share a Redis use different names. */
  readonly domain?: string
  /** What this process is called on its host, for those who look at the members; its process id otherwise. */
  readonly place?: string
  readonly clock?: Clock
  readonly onWaited?: (waited: Waited) => void
}

export function openCoherence(options: CoherenceOptions): Coherence {
  const { redis, subscriber, durability, failover, leaseMs, place, clock = systemClock, onWaited } = options
  // A revoker waits no longer than that: a member that believed a longer lease would accept what is revoked.
  if (!(leaseMs > 0 && leaseMs <= maximumLeaseMs)) {
    throw new RangeError(`leaseMs must be above 0 and at most ${maximumLeaseMs}: ${leaseMs}`)
  }
  if ((durability === 'failover') !== (failover !== undefined)) {
    throw new TypeError('the mode failover, and no other, needs to know the data nodes')
  }
  const keys = coherenceKeys(options.domain)
  const incarnations = watchIncarnation(clock, {
    onChange: (inc) => member.noticed(inc),
    needsConfirmation: failover !== undefined,
  })
  const { position } = incarnations
  const scripts = createCoherenceScripts(redis, {
    keys,
    durability,
    position,
    failover: failover && { ...failover, leaseMs },
  })
  const { channel } = keys
  const member: Membership = subscriber
    ? joinDomain({
        scripts,
        subscriber,
        channel,
        durability,
        place,
        clock,
        incarnations,
        leaseMs,
        onPending: () => promotion?.noticed(),
      })
    : stayOutside({ scripts, incarnations })
  const promotion =
    failover &&
    watchPromotion({
      scripts,
      ...failover,
      clock,
      onOpened: () => void member.replicated().catch(() => {}),
      onStuck() {
        // Not while it is connecting: that finds the address anyway, and a client of Sentinel would end for good.
        for (const client of [redis, failover.confirming])
          if (client.status === 'ready' && !(client instanceof Cluster)) client.disconnect(true)
      },
    })
  const { expel } = scripts
  const acks = shareLooks(scripts.acks)
  const replicated = failover && member.replicated
  const appliedHere = member.hasApplied
  const { confirm } = createRevoker({
    clock,
    durability,
    incarnations,
    acks,
    expel,
    appliedHere,
    onWaited,
    replicated,
  })
  const service = group(promotion ? [member, promotion] : [member])

  return {
    start: service.start,
    stop: service.stop,
    memberId: member.memberId,
    keys,
    durability,
    position,
    counters: member.counters,
    leaseOk: member.leaseOk,
    leaseLeftMs: member.leaseLeftMs,
    mayFill: member.mayFill,
    believes: failover ? member.believes : () => true,
    keeps: failover ? async (inc) => (await member.replicated()) === inc : () => true,
    saw: incarnations.saw,
    follow: member.follow,
    confirm,
    async announce(kind, text) {
      const told = await confirm(() => scripts.announce(kind, text))
      if (!told.confirmed) throw new Unavailable('redis', { cause: told.cause })
    },
    async beginEpoch() {
      try {
        await scripts.fence()
      } catch (cause) {
        throw new Unavailable('redis', { cause })
      }
    },
  }
}
