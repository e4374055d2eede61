/**
 * What jobs declare to hold for all processes together: how many run at once, and how many begin in a time. BullMQ keeps
 * both with the queue, where operators may change them on the dashboard. So a declaration is written when it changes, and
 * what an operator sets afterwards stays until then.
 */
import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { AnyJob } from './job.ts'

/** `{lockstep}:declared-limits` hash: job name to the JSON of what was written last. */
function declaredKey(prefix: string): string {
  return `${prefix}:declared-limits`
}

export async function applyDeclaredLimits(
  redis: Redis,
  prefix: string,
  jobs: Iterable<AnyJob>,
  bull: (name: string) => Queue,
): Promise<void> {
  const key = declaredKey(prefix)
  const written = await redis.hgetall(key)
  for (const { name, globalConcurrency, rateLimit } of jobs) {
    const declared =
      globalConcurrency === null && rateLimit === null ? undefined : { globalConcurrency, rateLimit }
    const text = JSON.stringify(declared)
    if (written[name] === text) continue
    const queue = bull(name)
    if (globalConcurrency === null) await queue.removeGlobalConcurrency()
    else await queue.setGlobalConcurrency(globalConcurrency)
    if (rateLimit === null) await queue.removeGlobalRateLimit()
    else await queue.setGlobalRateLimit(rateLimit.max, rateLimit.perMs)
    if (text === undefined) await redis.hdel(key, name)
    else await redis.hset(key, name, text)
  }
}
