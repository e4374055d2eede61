/**
 * What a restart or a failover of Redis does to sessions: found out from what Redis is, or chosen, and then held
 * against what Redis says of itself.
 */
import type { Durability, DurabilityMode } from '../coherence/index.ts'
import type { RedisTarget } from '../kernel/redis/target.ts'
import type { RedisFacts } from './redis-facts.ts'
import { variables, type Wording } from './wording.ts'

export interface DurabilityChoice {
  readonly mode: DurabilityMode
  readonly because: string
  /** Why the choice cannot be true here: a start refuses it. */
  readonly problems: readonly string[]
  /** What the choice relies on and Redis does not show. */
  readonly doubts: readonly string[]
}

export interface DurabilityQuestion {
  readonly wanted: Durability
  /** Data nodes of each shard, as declared; null: not declared. */
  readonly nodes: number | null
  readonly kind: RedisTarget['kind']
  readonly facts: Pick<RedisFacts, 'syncsEveryWrite' | 'replicas' | 'clustered'>
  readonly wording?: Wording
}

/**
 * Sessions go on only where no acknowledged logout can be lost with what fails. A replica that is promoted may lack
 * the last writes however faithfully the primary wrote them to its disk, so `keep` is for one server alone.
 */
export function chooseDurability(question: DurabilityQuestion): DurabilityChoice {
  const choice =
    question.wanted === 'auto'
      ? guess(question)
      : { ...declared(question.wanted, question), ...judge(question) }
  return { problems: [], doubts: [], ...choice }
}

type Guess = Pick<DurabilityChoice, 'mode' | 'because'> & Partial<DurabilityChoice>

function guess(question: DurabilityQuestion): Guess {
  const { kind, nodes, facts, wording = variables } = question
  if (kind === 'embedded')
    return { mode: 'keep', because: 'the file of the embedded Redis survives its own crash' }
  if (nodes !== null && nodes >= leastNodes) {
    return { mode: 'failover', because: wording.nodes(nodes), ...judgeFailover(question, nodes) }
  }
  const successor = successorOf(question)
  if (successor !== null) {
    return { mode: 'fence', because: `${successor}, which may lack the last writes when it takes over` }
  }
  if (facts.syncsEveryWrite) {
    return { mode: 'keep', because: 'Redis has appendonly yes and appendfsync always, and no replica' }
  }
  return {
    mode: 'fence',
    because:
      facts.syncsEveryWrite === null
        ? 'Redis does not tell whether it syncs every write'
        : 'Redis may lose its last writes: it lacks appendonly yes with appendfsync always',
  }
}

/** Three: with fewer, no one is left to confirm what a promoted node has. */
export const leastNodes = 3

function declared(wanted: Exclude<Durability, 'auto'>, { wording = variables }: DurabilityQuestion): Guess {
  // A service that keeps what it acknowledged is kept by its word alone.
  return { mode: wanted === 'durable' ? 'keep' : wanted, because: wording.durability(wanted) }
}

/** Who may take the place of the server that acknowledged; null: no one. */
function successorOf({ kind, facts }: Pick<DurabilityQuestion, 'kind' | 'facts'>): string | null {
  if (kind === 'sentinel') return 'Sentinel promotes a replica'
  if (kind === 'cluster' || facts.clustered) return 'Redis Cluster promotes a replica'
  if (facts.replicas > 0) return `Redis has ${counted(facts.replicas)}`
  return null
}

function judge(question: DurabilityQuestion): Partial<DurabilityChoice> {
  const { wanted, nodes } = question
  if (wanted === 'keep') return judgeKeep(question)
  if (wanted === 'failover' && nodes !== null) return judgeFailover(question, nodes)
  if (wanted === 'durable') return judgeDurable(question)
  return {}
}

function judgeKeep(question: DurabilityQuestion): Partial<DurabilityChoice> {
  if (question.kind === 'embedded') return {}
  const { durability, nodes, unsetDurability } = question.wording ?? variables
  const successor = successorOf(question)
  if (successor !== null) {
    return {
      problems: [
        `${durability('keep')} can't be kept: ${successor}, and the one that takes over may lack the last ` +
          `logouts, which would sign those people in again. Set ${durability('failover')} with ${nodes(leastNodes)} ` +
          '(three data nodes or more), fence, or durable where a service promises to keep what it acknowledged.',
      ],
    }
  }
  if (question.facts.syncsEveryWrite === true) return {}
  return {
    doubts: [
      `${durability('keep')}, but Redis may lose its last writes in a restart, and a logout with them: set ` +
        `appendonly yes and appendfsync always there, or ${unsetDurability}`,
    ],
  }
}

function judgeFailover(
  { facts, wording = variables }: DurabilityQuestion,
  nodes: number,
): Partial<DurabilityChoice> {
  const seen = facts.replicas + 1
  if (seen > nodes) {
    return {
      problems: [
        `${wording.nodes(nodes)}, but Redis has ${counted(facts.replicas)}: with more nodes than declared, those that ` +
          `confirm a logout need not include one that takes over. Set ${wording.nodes(seen)}.`,
      ],
    }
  }
  const needed = Math.floor(nodes / 2)
  if (facts.replicas >= needed) return {}
  return {
    doubts: [
      `${wording.nodes(nodes)}, but Redis has ${counted(facts.replicas)}: until ${needed} follow, nothing can be ` +
        'confirmed and requests are answered with 503',
    ],
  }
}

function judgeDurable({ facts, wording = variables }: DurabilityQuestion): Partial<DurabilityChoice> {
  if (facts.syncsEveryWrite !== false) return {}
  return {
    doubts: [
      `${wording.durability('durable')}, but Redis says that it may lose its last writes (it lacks appendonly yes with ` +
        'appendfsync always): make sure that this service keeps what it acknowledged through its failovers',
    ],
  }
}

function counted(replicas: number): string {
  return replicas === 1 ? '1 replica' : `${replicas === 0 ? 'no' : replicas} replicas`
}
