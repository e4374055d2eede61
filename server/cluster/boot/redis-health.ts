/** How a Redis that serves is doing, from its INFO: its memory, and whether it can still write to its disk. */
import type { Cluster, Redis } from 'ioredis'

export interface RedisHealth {
  /** Which node it is, where there are several; null for one server. */
  readonly node: string | null
  readonly usedBytes: number
  /** Its maxmemory, else the memory of its machine; null when it tells neither. */
  readonly limitBytes: number | null
  /** Whether the limit is its own. */
  readonly hasMaxMemory: boolean
  /** The last snapshot failed. Redis then refuses writes, unless it was told not to. */
  readonly snapshotFailing: boolean
  /** It could not append to its file: mostly a full disk. It refuses writes. */
  readonly appendFailing: boolean
  /** The append-only file could not be rewritten, and grows. */
  readonly rewriteFailing: boolean
  readonly replicas: number
}

/** What someone should do something about. */
export interface Ailment {
  /** Of two ailments of one Redis, the kinds differ. */
  readonly kind: 'memory' | 'snapshot' | 'append' | 'rewrite'
  /** It refuses writes now. */
  readonly severe: boolean
  readonly text: string
}

const fullShare = 0.8

/** The primary, or each of a Cluster. */
export async function askHealth(redis: Redis): Promise<RedisHealth[]> {
  const nodes = (redis as unknown as Partial<Cluster>).nodes?.call(redis, 'master')
  if (nodes === undefined) return [parseHealth(await redis.info(), null)]
  return Promise.all(
    nodes.map(async (node) => parseHealth(await node.info(), `${node.options.host}:${node.options.port}`)),
  )
}

export function parseHealth(info: string, node: string | null): RedisHealth {
  const text = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1] ?? ''
  const number = (name: string) => Number(text(name)) || 0
  const own = number('maxmemory')
  const machine = number('total_system_memory')
  return {
    node,
    usedBytes: number('used_memory'),
    limitBytes: own || machine || null,
    hasMaxMemory: own > 0,
    snapshotFailing: text('rdb_last_bgsave_status') === 'err',
    appendFailing: text('aof_enabled') === '1' && text('aof_last_write_status') === 'err',
    rewriteFailing: text('aof_enabled') === '1' && text('aof_last_bgrewrite_status') === 'err',
    replicas: number('connected_slaves'),
  }
}

/** `refusesAfterSnapshots`: whether it refuses writes after a snapshot that failed; null when it won't tell. */
export function ailmentsOf(health: RedisHealth, refusesAfterSnapshots: boolean | null): Ailment[] {
  const ailments: Ailment[] = []
  if (health.appendFailing) {
    ailments.push({
      kind: 'append',
      severe: true,
      text:
        'it can not append to its file (aof_last_write_status:err), mostly since the disk is full: sign-ins fail and ' +
        'logouts can not be confirmed until it has room',
    })
  }
  if (health.snapshotFailing) {
    const refuses = refusesAfterSnapshots !== false
    ailments.push({
      kind: 'snapshot',
      severe: refuses,
      text:
        'its last snapshot failed (rdb_last_bgsave_status:err)' +
        (refuses
          ? ', and it refuses writes for that (stop-writes-on-bgsave-error): sign-ins fail and logouts are answered ' +
            'with 503. Give its directory room and the right to write, and run BGSAVE; or set save "" if the ' +
            'append-only file is what counts'
          : ': give its directory room and the right to write'),
    })
  }
  if (health.rewriteFailing) {
    ailments.push({
      kind: 'rewrite',
      severe: false,
      text: 'its append-only file could not be rewritten (aof_last_bgrewrite_status:err) and grows: give it room',
    })
  }
  const { usedBytes, limitBytes, hasMaxMemory } = health
  if (limitBytes !== null && usedBytes / limitBytes >= fullShare) {
    ailments.push({
      kind: 'memory',
      severe: false,
      text:
        `it uses ${megabytes(usedBytes)} of ${megabytes(limitBytes)}` +
        (hasMaxMemory
          ? ': when that is full no one can sign in any more; raise its maxmemory'
          : ', all that its machine has: the system will kill it; give it a maxmemory and more memory'),
    })
  }
  return ailments
}

/** Whether a snapshot that failed stops writes; null when Redis won't tell. */
export async function refusesAfterSnapshots(redis: Redis): Promise<boolean | null> {
  try {
    const [, stops] = (await redis.config('GET', 'stop-writes-on-bgsave-error')) as string[]
    const [, points] = (await redis.config('GET', 'save')) as string[]
    return stops === 'yes' && points !== ''
  } catch {
    return null
  }
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`
}
