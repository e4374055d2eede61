import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { Config } from '../../../shared/config/config.ts'
import { messageOf } from '../../../shared/kernel/errors.ts'

const storedSchema = z.object({ overrides: z.object({ cacheMode: z.string().optional() }) })

/**
 * Why there must not be so many web workers, or null: a cache that is true in one process only was chosen, by the
 * configuration or while the server runs.
 */
export async function objectionTo(
  web: number,
  { redis, key, config }: { redis: Redis; key: string; config: Pick<Config, 'sessions'> },
): Promise<string | null> {
  if (web < 2) return null
  const stored = await redis.get(key).catch((cause: unknown) => {
    const reason = messageOf(cause)
    throw new Error(
      `whether there may be more web workers is not known, as Redis does not answer (${reason})`,
    )
  })
  const chosen = stored === null ? undefined : storedSchema.parse(JSON.parse(stored)).overrides.cacheMode
  if ((chosen ?? config.sessions.cache) !== 'memory') return null
  return (
    'the session cache is memory, which is right for one web worker only: a session logged out on worker A would ' +
    `live on in worker B. Set ${chosen ? 'cacheMode in the settings' : 'SESSION_CACHE'} to coherent first.`
  )
}
