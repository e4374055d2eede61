/** What mode `failover` needs besides the connections of every mode. */
import type { Redis } from 'ioredis'

export interface NodeAddress {
  readonly host: string
  readonly port: number
}

export interface Failover {
  /** Data nodes of the shard, the primary included, as declared. Never fewer than there are. */
  readonly dataNodes: number
  /** A connection for syncs alone: they hold it up until the replicas have them. */
  readonly confirming: Redis
  /** Opens a connection to one data node, for short commands. Its receiver closes it. */
  openNode(address: NodeAddress): Redis
}

/**
 * How many replicas must have what counts as kept: with the primary they are more than half of the nodes, so any two
 * such sets share a node.
 */
export function replicasNeeded(dataNodes: number): number {
  return Math.floor(dataNodes / 2)
}
