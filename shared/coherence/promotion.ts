/**
 * Mode `failover`: who may go on after a promotion, found out by asking the replicas.
 *
 * While all is well the processes that follow the primary are noted in the record of the domain. After a promotion the
 * new primary answers nothing until as many of them as confirm a write show that they have joined it by a partial
 * resynchronisation: their log was then a prefix of its log. What had been confirmed is on one of these nodes, or on the
 * new primary itself, so it is there. A node that joined by a full resynchronisation shows no former log, and does not
 * vote. When the votes do not come, a new epoch begins: in doubt, everybody signs in again.
 *
 * Every member asks; whatever they find is checked again by the scripts, and doing it twice changes nothing.
 */
import type { Redis } from 'ioredis'
import type { Clock } from '../kernel/clock.ts'
import type { Service } from '../kernel/lifecycle.ts'
import { promotionLookMs, promotionPatienceMs, promotionStuckMs, replicaLookMs } from './constants.ts'
import { replicasNeeded, type Failover, type NodeAddress } from './failover.ts'
import type { CoherenceScripts } from './scripts.ts'

/** The primary as it describes itself. */
export interface PrimaryView {
  /** Whose incarnation its data speak of: its own, that of a node it followed, or neither. */
  readonly standing: 'own' | 'pending' | 'other'
  readonly replid: string
  /** The log that it followed before it was promoted. */
  readonly followed: string
  readonly listed: readonly string[]
  readonly replicas: readonly NodeAddress[]
}

interface ReplicaView {
  readonly runId: string
  readonly replid: string
  readonly followed: string
  readonly linked: boolean
}

export interface PromotionDependencies {
  readonly scripts: Pick<CoherenceScripts, 'describePrimary' | 'enlist' | 'openPromoted' | 'giveUpPromoted'>
  readonly openNode: Failover['openNode']
  readonly dataNodes: number
  readonly clock: Clock
  /** The primary has opened: it can be asked again. */
  readonly onOpened: () => void
  /** Whether the node that we are connected to is still the primary has to be found out again. */
  readonly onStuck: () => void
}

export interface Promotion extends Service {
  /** A script was refused because the primary has not opened yet. */
  noticed(): void
}

export function watchPromotion(dependencies: PromotionDependencies): Promotion {
  const { scripts, openNode, dataNodes, clock, onOpened, onStuck } = dependencies
  const nodes = new Map<string, Redis>()
  let running = false
  let looking: Promise<void> | null = null
  let timer: NodeJS.Timeout | undefined
  /** The log of the promoted node that has not opened yet, and since when this process knows that. */
  let pending: { replid: string; since: number; movedAt: number } | null = null

  function nodeAt(address: NodeAddress): Redis {
    const name = `${address.host} ${address.port}`
    let node = nodes.get(name)
    if (!node) nodes.set(name, (node = openNode(address)))
    return node
  }

  /** Lets go of the nodes that follow no more. */
  function keepOnly(addresses: readonly NodeAddress[]): void {
    const kept = new Set(addresses.map(({ host, port }) => `${host} ${port}`))
    for (const [name, node] of nodes) {
      if (kept.has(name)) continue
      nodes.delete(name)
      node.disconnect()
    }
  }

  async function look(): Promise<number> {
    const primary = await scripts.describePrimary()
    keepOnly(primary.replicas)
    const answers = await Promise.allSettled(primary.replicas.map(async (at) => describe(nodeAt(at))))
    const replicas = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    if (primary.standing === 'pending') {
      await decide(primary, replicas)
      return promotionLookMs
    }
    if (pending) onOpened()
    pending = null
    if (primary.standing === 'own') await note(primary, replicas)
    return replicas.length < dataNodes - 1 ? replicaLookMs.incomplete : replicaLookMs.complete
  }

  async function decide(primary: PrimaryView, replicas: readonly ReplicaView[]): Promise<void> {
    const now = clock.mono()
    if (pending?.replid !== primary.replid) pending = { replid: primary.replid, since: now, movedAt: now }
    const votes = replicas
      .filter(({ replid, followed }) => replid === primary.replid && followed === primary.followed)
      .map(({ runId }) => runId)
      .filter((runId) => primary.listed.includes(runId))
    const opened =
      votes.length >= replicasNeeded(dataNodes)
        ? await scripts.openPromoted(primary.replid, votes)
        : clock.mono() - pending.since >= promotionPatienceMs &&
          (await scripts.giveUpPromoted(primary.replid))
    if (opened) return onOpened()
    // Another one may have been promoted over it. Sentinels tell that only when their failover is over, and later than
    // they give the new address to whoever asks.
    if (now - pending.movedAt < promotionStuckMs) return
    pending.movedAt = now
    onStuck()
  }

  async function note(primary: PrimaryView, replicas: readonly ReplicaView[]): Promise<void> {
    const following = replicas
      .filter(({ replid, linked }) => linked && replid === primary.replid)
      .map(({ runId }) => runId)
      .toSorted()
    if (following.join() !== primary.listed.toSorted().join()) await scripts.enlist(primary.replid, following)
  }

  function lookSoon(ms: number): void {
    clearTimeout(timer)
    if (running) timer = setTimeout(lookNow, ms)
  }

  function lookNow(): void {
    looking ??= look()
      // The primary can't be asked: whoever syncs finds that out too, and this is of no use meanwhile.
      .catch(() => (pending ? promotionLookMs : replicaLookMs.incomplete))
      .then((pauseMs) => {
        looking = null
        // Spread, since every member does this.
        lookSoon(pauseMs * (0.75 + Math.random() / 2))
      })
  }

  return {
    async start() {
      running = true
      lookNow()
      await looking
    },
    async stop() {
      running = false
      clearTimeout(timer)
      keepOnly([])
      await looking
      keepOnly([])
    },
    noticed() {
      if (!running || pending) return
      clearTimeout(timer)
      lookNow()
    },
  }
}

async function describe(node: Redis): Promise<ReplicaView> {
  const [server, replication] = await Promise.all([node.info('server'), node.info('replication')])
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(server + replication)?.[1] ?? ''
  return {
    runId: field('run_id'),
    replid: field('master_replid'),
    followed: field('master_replid2'),
    linked: field('master_link_status') === 'up',
  }
}
