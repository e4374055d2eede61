/**
 * The workers of every host that shares this Redis. Each primary keeps a note of its own there that fades when it is
 * not renewed, so a host that went away is forgotten without anybody's doing, on the clock of Redis alone.
 *
 *   `{lockstep.shop}:hosts`        set of the ids of primaries
 *   `{lockstep.shop}:host:<id>`    what one of them told last: the JSON of its workers, with a TTL
 */
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { DeploymentKeys } from '../../../shared/deployment/deployment-keys.ts'
import { workerRoles } from '../../../shared/process/assignment.ts'
import type { Service } from '../../../shared/kernel/lifecycle.ts'
import { workerStates, type WorkerStatus } from '../../../shared/process/control-request.ts'
import { inOrder } from '../supervision/worker-status.ts'

export interface HostsOptions {
  readonly redis: Redis
  readonly keys: Pick<DeploymentKeys, 'hosts' | 'host'>
  /** The workers of this primary. */
  readonly own: () => readonly WorkerStatus[]
  readonly everyMs?: number
}

export interface Hosts extends Service {
  /** Our workers as they are, and those of the other hosts as they were a moment ago; ours alone without Redis. */
  all(): Promise<readonly WorkerStatus[]>
}

/** A note that was not renewed so many times belongs to no one. */
const renewalsMissed = 5

const count = z.number().min(0).nullable()
const noteSchema = z.array(
  z.object({
    id: z.string(),
    kind: z.enum(workerRoles),
    pid: count,
    host: z.string(),
    state: z.enum(workerStates),
    startedAt: count,
    leaseMs: count,
    cachedSessions: count,
    eventLoopLagMs: count,
    rssBytes: count,
    // Absent where an earlier version of us wrote the note.
    requests: count.default(null),
    revocationMs: count.default(null),
    restarts: count.default(null),
  }),
)

export function followHosts({ redis, keys, own, everyMs = 2_000 }: HostsOptions): Hosts {
  const { hosts: hostsKey, host: hostKey } = keys
  const id = randomUUID()
  let timer: NodeJS.Timeout | undefined

  async function tell(): Promise<void> {
    await redis.set(hostKey(id), JSON.stringify(own()), 'PX', everyMs * renewalsMissed)
    await redis.sadd(hostsKey, id)
  }

  async function others(): Promise<WorkerStatus[]> {
    const ids = (await redis.smembers(hostsKey)).filter((other) => other !== id)
    if (ids.length === 0) return []
    const notes = await redis.mget(ids.map(hostKey))
    const faded = ids.filter((_, index) => notes[index] === null)
    if (faded.length > 0) await redis.srem(hostsKey, faded)
    return notes.flatMap((note) => (note === null ? [] : parseNote(note)))
  }

  return {
    async start() {
      await tell().catch(() => {})
      // Redis away: the note fades, and comes back with it.
      timer = setInterval(() => void tell().catch(() => {}), everyMs)
    },
    async stop() {
      clearInterval(timer)
      await redis.del(hostKey(id)).catch(() => {})
      await redis.srem(hostsKey, id).catch(() => {})
    },
    all: async () => inOrder([...own(), ...(await others().catch(() => []))]),
  }
}

/** Nothing when another version of us writes other notes. */
function parseNote(text: string): WorkerStatus[] {
  try {
    return noteSchema.parse(JSON.parse(text))
  } catch {
    return []
  }
}
