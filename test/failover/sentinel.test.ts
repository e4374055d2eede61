import { startSentinelSet } from '../support/redis-topology.ts'
import { describeFailovers } from './describe-failovers.ts'
import { sentinelShard } from './faults.ts'

/** On a busy machine Sentinels that are as quick as each other all stand for election, and nobody wins. */
const downAfterMs = [2_000, 2_600, 3_200]

describeFailovers('Sentinel', async () => {
  const set = await startSentinelSet({ partitions: true, failoverTimeoutMs: 5_000 })
  for (const [i, sentinel] of set.sentinels.entries()) {
    await sentinel.command('SENTINEL', 'SET', set.name, 'down-after-milliseconds', downAfterMs[i]!)
  }
  return sentinelShard(set)
})
