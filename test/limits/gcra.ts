import type { Redis } from 'ioredis'

/**
 * The generic cell rate algorithm with a burst of the whole limit, as many limiters use it. Here to be caught: it
 * admits up to twice the limit in a window.
 */
export async function gcra(
  redis: Redis,
  key: string,
  { limit, windowMs, cost }: { limit: number; windowMs: number; cost: number },
): Promise<boolean> {
  const script = `
    local time = redis.call('TIME')
    local now = time[1] * 1000 + time[2] / 1000
    local window, increment = tonumber(ARGV[1]), tonumber(ARGV[2])
    local arrival = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) + increment
    if arrival - now > window then return 0 end
    redis.call('SET', KEYS[1], string.format('%.3f', arrival), 'PX', math.ceil(window))
    return 1`
  const reply = await redis.eval(script, 1, `gcra:${key}`, windowMs, (cost * windowMs) / limit)
  return reply === 1
}
