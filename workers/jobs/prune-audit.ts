import { z } from 'zod'
import type { AuditTrail } from '../../shared/accounts/audit.ts'
import { defineJob } from '../../shared/queues/job.ts'

export interface PruneAuditServices {
  readonly audit: Pick<AuditTrail, 'prune'>
  readonly auditRetentionMs: number
}

/** Each a transaction of its own: whoever signs in meanwhile must not wait for it long. */
const batch = 500

/** Removes from the audit trail what is older than it is kept. */
export const pruneAudit = defineJob({
  name: 'prune-audit',
  payload: z.strictObject({}),
  attempts: 5,
  backoff: { type: 'exponential', delayMs: 30_000 },
  timeoutMs: 10 * 60_000,
  async handler({ signal, log }, { services }: { services: PruneAuditServices }) {
    const { audit, auditRetentionMs } = services
    const before = Date.now() - auditRetentionMs
    let pruned = 0
    for (let last = batch; last === batch && !signal.aborted; pruned += last) {
      last = await audit.prune(before, batch)
    }
    if (pruned > 0) log.info({ pruned }, 'old entries of the audit trail were removed')
    return { pruned }
  },
})
