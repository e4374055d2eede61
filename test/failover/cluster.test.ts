import { startRedisCluster } from '../support/redis-topology.ts'
import { describeFailovers } from './describe-failovers.ts'
import { clusterShard } from './faults.ts'

describeFailovers('Redis Cluster', async () =>
  clusterShard(await startRedisCluster({ partitions: true, nodeTimeoutMs: 3_000 })),
)
