import type { Redis } from 'ioredis'
import { deploymentKeys, type DeploymentKeys } from '../../shared/deployment/deployment-keys.ts'

/** The keys of the only server that uses this Redis. */
export async function keysOfServer(redis: Redis): Promise<DeploymentKeys> {
  const markers = await redis.keys('{sx*}:deployment')
  const [, space] = /^\{sx(?:\.([^}]*))?\}/.exec(markers[0] ?? '') ?? []
  if (markers.length !== 1) throw new Error(`${markers.length} deployments use this Redis`)
  return deploymentKeys(space ?? '')
}
