import type { Redis } from 'ioredis'
import type { Service } from '../lifecycle.ts'
import { openNode, openRedis, redisService, type RedisConnectionOptions } from './connections.ts'
import type { LocatedRedis } from './target.ts'

/** The connections that mode `failover` needs besides; they close with it. */
export interface FailoverConnections extends Service {
  readonly dataNodes: number
  readonly confirming: Redis
  openNode(address: { readonly host: string; readonly port: number }): Redis
}

export function openFailover(
  target: LocatedRedis,
  dataNodes: number,
  { name }: Pick<RedisConnectionOptions, 'name'> = {},
): FailoverConnections {
  const label = (purpose: string) => (name === undefined ? {} : { name: `${name}-${purpose}` })
  const confirming = openRedis(target, 'commands', label('confirming'))
  return {
    ...redisService(confirming),
    dataNodes,
    confirming,
    openNode: (address) =>
      openNode(target, address, { ...label('replica'), commandTimeoutMs: nodeTimeoutMs }),
  }
}

/** Asking a replica is worth no more: another look follows soon. */
const nodeTimeoutMs = 500
