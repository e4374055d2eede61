/** A Redis as one of its replicas would have it. */
import type { Redis } from 'ioredis'

export type Dump = readonly { readonly key: string; readonly value: Buffer }[]

/** All that Redis holds, as a replica would have got it by now. */
export async function dump(redis: Redis): Promise<Dump> {
  const keys = await redis.keys('*')
  return Promise.all(keys.map(async (key) => ({ key, value: (await redis.dumpBuffer(key)) as Buffer })))
}

export async function restore(redis: Redis, dump: Dump): Promise<void> {
  for (const { key, value } of dump) await redis.restore(key, 600_000, value, 'REPLACE')
}
