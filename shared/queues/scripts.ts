/** The only place that knows the order of the scripts' arguments. */
import type { Redis } from 'ioredis'
import { loadScript, runScript } from '../kernel/redis/script.ts'

const folder = new URL('./lua/', import.meta.url)
const scripts = {
  forsakeJobs: loadScript(folder, 'forsake-jobs'),
  recordTick: loadScript(folder, 'record-tick'),
  releaseLock: loadScript(folder, 'release-lock'),
}

export async function recordTick(
  redis: Redis,
  served: string,
  { schedule, tick, ran }: { schedule: string; tick: number; ran: boolean },
): Promise<boolean> {
  return (await runScript(redis, scripts.recordTick, [served], [schedule, tick, ran ? 1 : 0])) === 1
}

/** Gives how many jobs of the queue the dead worker had. */
export async function forsakeJobs(
  redis: Redis,
  keyOf: (type: string) => string,
  worker: string,
): Promise<number> {
  const keys = ['active', 'stalled', 'stalled-check'].map(keyOf)
  return Number(await runScript(redis, scripts.forsakeJobs, keys, [keyOf(''), worker]))
}

export async function releaseLock(redis: Redis, lock: string, token: string): Promise<boolean> {
  return (await runScript(redis, scripts.releaseLock, [lock], [token])) === 1
}
