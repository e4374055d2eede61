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
