import type { Redis } from 'ioredis'
import type { DeploymentKeys } from '../../../shared/deployment/deployment-keys.ts'
import type { Logger } from '../../../shared/telemetry/log.ts'
import {
  coherenceKeys,
  createCoherenceScripts,
  type DurabilityMode,
} from '../../../shared/coherence/index.ts'
import { about } from './slot.ts'
import type { WorkerHandle } from './worker-handle.ts'

/**
 * Takes a worker that has certainly ended off the list of those whose word a logout waits for. One that was killed
 * could not do so, and every logout would wait until its lease is over. A process that only seems to be gone must
 * never be taken off: it might go on answering from its memory.
 */
export function forgetDeparted(
  redis: Redis,
  durability: DurabilityMode,
  { keys, log }: { readonly keys: DeploymentKeys; readonly log: Logger },
): (worker: WorkerHandle) => void {
  const scripts = createCoherenceScripts(redis, { keys: coherenceKeys(keys.sessions), durability })
  return (worker) => {
    if (worker.memberId === null) return
    scripts.leave(worker.memberId).catch((err: unknown) => {
      log.debug({ err, ...about(worker) }, 'logouts wait until the lease of a worker that has ended is over')
    })
  }
}

/** Longer than the locks of a dead worker last: from then on others find its jobs by themselves. */
const rememberedMs = 60_000

/**
 * Has the jobs of a job worker that has certainly ended done by the others, and by its replacement as soon as that is
 * ready. They would wait until the locks of the dead one have run out otherwise, for half a minute.
 */
export function passOnJobs(workers: () => readonly WorkerHandle[]): {
  readonly onReady: (worker: WorkerHandle) => void
  readonly onExit: (worker: WorkerHandle) => void
} {
  const departed = new Map<string, number>()
  return {
    onReady(heir) {
      if (heir.role !== 'jobs') return
      for (const [name, until] of departed) {
        if (performance.now() < until) heir.passOnJobsOf(name)
        else departed.delete(name)
      }
    },
    onExit({ role, name }) {
      if (role !== 'jobs') return
      departed.set(name, performance.now() + rememberedMs)
      for (const heir of workers())
        if (heir.role === 'jobs' && heir.state === 'ready') heir.passOnJobsOf(name)
    },
  }
}
