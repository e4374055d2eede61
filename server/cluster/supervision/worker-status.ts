import { workerRoles } from '../../../shared/process/assignment.ts'
import { parseWorkerId, type WorkerStatus } from '../../../shared/process/control-request.ts'
import type { Supervisor } from './supervisor.ts'
import type { WorkerHandle } from './worker-handle.ts'

/** The workers of this host as an administrator sees them: every process, and every place that waits for one. */
export function workerStatuses(
  supervisor: Pick<Supervisor, 'workers' | 'vacancies' | 'restarts'>,
  host: string,
): WorkerStatus[] {
  const waiting = supervisor.vacancies().map(({ id, role }): WorkerStatus => ({
    id,
    kind: role,
    pid: null,
    host,
    state: 'waiting',
    startedAt: null,
    leaseMs: null,
    cachedSessions: null,
    eventLoopLagMs: null,
    rssBytes: null,
    requests: null,
    revocationMs: null,
    restarts: supervisor.restarts(id),
  }))
  const living = supervisor.workers().map((worker) => statusOf(worker, host, supervisor.restarts(worker.id)))
  return [...living, ...waiting]
}

/** By host, then web workers before job workers, then by slot; of two in one slot the older one first. */
export function inOrder(workers: readonly WorkerStatus[]): WorkerStatus[] {
  const slotOf = ({ id }: WorkerStatus) => parseWorkerId(id)?.slot ?? 0
  return workers.toSorted(
    (a, b) =>
      (a.host === b.host ? 0 : a.host < b.host ? -1 : 1) ||
      workerRoles.indexOf(a.kind) - workerRoles.indexOf(b.kind) ||
      slotOf(a) - slotOf(b) ||
      (a.startedAt ?? 0) - (b.startedAt ?? 0),
  )
}

function statusOf(worker: WorkerHandle, host: string, restarts: number): WorkerStatus {
  const { id, role, pid = null, state, startedAt, vitals, revocationMs } = worker
  return {
    id,
    kind: role,
    pid,
    host,
    state,
    startedAt: Math.round(performance.timeOrigin + startedAt),
    leaseMs: vitals?.leaseMs ?? null,
    cachedSessions: vitals?.cachedSessions ?? null,
    eventLoopLagMs: vitals?.eventLoopLagMs ?? null,
    rssBytes: vitals?.rssBytes ?? null,
    requests: vitals?.requests ?? null,
    revocationMs,
    restarts,
  }
}
